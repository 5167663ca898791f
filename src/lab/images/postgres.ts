import { exitCodes, UserError } from '../../base/errors.ts';
import type { ImageRecipe } from './image.ts';
import { tcpReadiness, volumePath } from './image.ts';

/** uid and gid of the image; the machine's own postgres user is not touched. */
const postgresId = 999;

/**
 * Makes the cluster as the image's entry point does. Written beside and renamed, so that an interrupted first start is repeated, not
 * believed. fsync is off: the data lives as long as its pod.
 */
const prepareScript = `set -eu
data=${volumePath}/data
[ -e "$data/PG_VERSION" ] && exit 0
rm -rf "$data.new" ${volumePath}/password
method=\${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}
if [ -z "\${POSTGRES_PASSWORD:-}" ] && [ "$method" != trust ]; then
  echo 'error: the database is not initialised and POSTGRES_PASSWORD is not given' >&2
  exit 1
fi
user=\${POSTGRES_USER:-postgres}
database=\${POSTGRES_DB:-$user}
umask 077
printf '%s\\n' "\${POSTGRES_PASSWORD:-unused}" > ${volumePath}/password
"$PGBIN/initdb" --no-sync --pgdata "$data.new" --username "$user" --pwfile ${volumePath}/password --auth-local trust --auth-host "$method" --encoding UTF8 --locale C >/dev/null
rm -f ${volumePath}/password
printf '\\nhost all all all %s\\n' "$method" >> "$data.new/pg_hba.conf"
if [ "$database" != postgres ]; then
  printf 'CREATE DATABASE "%s";\\n' "$(printf '%s' "$database" | sed 's/"/""/g')" |
    "$PGBIN/postgres" --single -j -D "$data.new" -c fsync=off postgres >/dev/null
fi
mv "$data.new" "$data"
`;

/** The machine's PostgreSQL, whatever the tag says, with the image's POSTGRES_* variables. */
export const postgresImage: ImageRecipe = {
  repositories: ['postgres', 'bitnami/postgresql'],
  summary: "the machine's PostgreSQL (any tag), as uid 999; port 5432; POSTGRES_USER, _PASSWORD, _DB, _HOST_AUTH_METHOD",
  needsCommand: false,
  resolve({ args, machine }) {
    if (machine.postgres === null) {
      throw new UserError(
        'MACHINE_MISSING_PROGRAM',
        'Cannot run the image postgres because the machine has no PostgreSQL server: neither in PATH nor in /usr/lib/postgresql',
        { cure: 'Install the PostgreSQL server.', command: 'apt-get install postgresql', exitCode: exitCodes.machine },
      );
    }
    const server = [
      `${machine.postgres}/postgres`,
      '-D',
      `${volumePath}/data`,
      ...['listen_addresses=*', 'fsync=off', 'full_page_writes=off', `unix_socket_directories=/tmp`].flatMap((setting) => ['-c', setting]),
    ];
    const ownCommand = args?.[0] !== undefined && !args[0].startsWith('-') && args[0] !== 'postgres';
    return {
      entry: ownCommand ? [] : server,
      prepare: ownCommand ? null : ['/bin/sh', '-c', prepareScript],
      uid: postgresId,
      gid: postgresId,
      env: { PGBIN: machine.postgres, PGDATA: `${volumePath}/data`, PGHOST: '/tmp', LANG: 'C.UTF-8' },
      mounts: [],
      stopSignal: 'SIGINT',
      readiness: ownCommand ? null : tcpReadiness(5432),
    };
  },
};
