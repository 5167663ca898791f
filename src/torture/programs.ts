import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Server, ServerPool } from './process.ts';
import { runProgram, startServer } from './process.ts';
import { randomOf } from './speaker/types.ts';
import type { Place, TortureCase, Transcript } from './types.ts';

/** Debian keeps the server's programs in a folder for each version. */
const postgresFolders = ['17', '16', '15', '14', '13'].map((version) => `/usr/lib/postgresql/${version}/bin`);
/** Whom the server runs as: it refuses to be root, and to be somebody without a name. */
const postgresIds = ['setpriv', '--reuid=nobody', '--regid=nogroup', '--clear-groups', '--'];

/** Programs of the machine, as they are: OpenSSL and PostgreSQL. What they need is made in `folder`. */
export function programCases(folder: string, servers: ServerPool): readonly TortureCase[] {
  return [tls(folder), postgresCopy(folder, servers)];
}

function transcript(status: number, lines: readonly string[]): Transcript {
  return { lines, failed: status !== 0, measures: {} };
}

function digest(text: string | Buffer): string {
  return createHash('sha256').update(text).digest('hex');
}

/** Everything that a thing needs to be made once, however many runs ask at once. */
function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | null = null;
  return () => {
    made ??= make();
    return made;
  };
}

function tls(folder: string): TortureCase {
  const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')];
  const prepare = once(async () => {
    const request = [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-subj',
      '/CN=torture',
      '-days',
      '2',
    ];
    await must(['openssl', ...request, '-keyout', key, '-out', certificate]);
  });
  return {
    name: 'tls',
    summary: 'openssl s_server and s_client: lines both ways',
    direct: 'may',
    proxied: 'must',
    heavy: true,
    missing: existsSync('/usr/bin/openssl') ? null : 'openssl is not installed',
    run: async (place) => {
      await prepare();
      return speakTls(place, ['-key', key, '-cert', certificate]);
    },
  };
}

/** The server sends every line back reversed, and ends at the line CLOSE. */
async function speakTls({ client, server, address, seed, patience, signal }: Place, identity: readonly string[]): Promise<Transcript> {
  const random = randomOf(seed);
  const lines = Array.from({ length: random.between(50, 400) }, () => random.bytes(random.between(1, 4000)).toString('hex'));
  const port = 10_000 + random.between(0, 20_000);
  const host = address.includes(':') ? `[${address}]` : address;
  const accept = ['s_server', '-accept', `${host}:${port}`, '-nbio', '-rev', ...identity];
  await using listener = await startServer(['stdbuf', '-oL', 'openssl', ...accept], { netns: server, signal, patience });
  const connect = ['s_client', '-connect', `${host}:${port}`, '-nbio', '-quiet', '-verify_quiet'];
  const ran = await runProgram(['openssl', ...connect], { netns: client, signal, patience, input: `${lines.join('\n')}\nCLOSE\n` });
  const want = lines.map((line) => line.split('').reverse().join(''));
  const got = ran.stdout.trim().split('\n');
  const wrong = want.findIndex((line, index) => got[index] !== line);
  const verdict =
    wrong < 0 ? `${want.length} lines came back` : `line ${wrong} of ${want.length} is not what was sent; ${listener.problems()}`;
  return transcript(wrong < 0 ? 0 : 1, [verdict, digest(got.slice(0, want.length).join('\n'))]);
}

function postgresCopy(folder: string, servers: ServerPool): TortureCase {
  const programs = postgresFolders.find((path) => existsSync(join(path, 'initdb')));
  const data = join(folder, 'cluster');
  const prepare = once(async () => {
    await mkdir(data, { mode: 0o700 });
    await must(['chown', '-R', 'nobody:nogroup', data]);
    // its parent is root's alone otherwise
    await must(['chmod', '755', folder]);
    await must([
      ...postgresIds,
      join(programs ?? '', 'initdb'),
      '-D',
      data,
      '-U',
      'postgres',
      '-N',
      '-E',
      'UTF8',
      '--locale=C',
      '-A',
      'trust',
    ]);
    await must(['sh', '-c', `echo 'host all all all trust' >> ${data}/pg_hba.conf`]);
  });
  return {
    name: 'postgres-copy',
    summary: 'PostgreSQL: COPY in, COPY out, by psql',
    direct: 'may',
    proxied: 'must',
    heavy: true,
    missing: programs === undefined ? 'PostgreSQL is not installed' : null,
    run: async (place) => {
      await prepare();
      await servers.get(`${place.server} postgres`, () => startPostgres(place, data, programs ?? ''));
      return copy(place, folder);
    },
  };
}

/** A server in a pod, of a cluster of its own, on every address. */
async function startPostgres({ server, signal }: Place, template: string, programs: string): Promise<Server> {
  const data = `${template}-${randomBytes(6).toString('hex')}`;
  await must(['cp', '-a', template, data]);
  const settings = ['listen_addresses=*', 'fsync=off', `unix_socket_directories=${data}`, 'shared_buffers=16MB', 'max_connections=40'];
  const postgres = [...postgresIds, join(programs, 'postgres'), '-D', data, ...settings.flatMap((setting) => ['-c', setting])];
  // it writes its log to standard error, and we wait for a line of standard output
  const started = await startServer(['sh', '-c', 'exec "$0" "$@" 2>&1', ...postgres], { netns: server, signal, patience: 30 });
  const ready = [join(programs, 'pg_isready'), '-q', '-h', data];
  for (let attempt = 0; attempt < 300; attempt += 1) {
    if ((await runProgram(ready, { signal, patience: 5 })).status === 0) return started;
    await sleep(50, undefined, { signal });
  }
  await started[Symbol.asyncDispose]();
  throw new Error(`PostgreSQL does not answer in ${data}`);
}

async function copy({ client, address, seed, patience, signal }: Place, folder: string): Promise<Transcript> {
  const random = randomOf(seed);
  const rows = Array.from(
    { length: random.between(500, 6000) },
    (_, index) => `${index}\t${random.bytes(random.between(1, 200)).toString('hex')}`,
  );
  const text = `${rows.join('\n')}\n`;
  const input = join(folder, `${randomBytes(6).toString('hex')}.tsv`);
  try {
    await writeFile(input, text);
    const script = `create temp table t (id int, v text);\n\\copy t from '${input}'\n\\copy (select * from t order by id) to pstdout\n`;
    const connection = ['-h', address, '-U', 'postgres', '-d', 'postgres', '-X', '-q', '-v', 'ON_ERROR_STOP=1'];
    const env = { PGSSLMODE: 'disable' };
    const ran = await runProgram(['psql', ...connection, '-f', '-'], { netns: client, signal, patience, input: script, env });
    const same = digest(ran.stdout) === digest(text);
    const told = same ? 'back' : `back as others, ${ran.stdout.length} bytes of ${text.length}: ${ran.stderr}`;
    return transcript(same ? 0 : 1, [`${rows.length} rows came ${told}`]);
  } finally {
    await rm(input, { force: true });
  }
}

async function must(command: readonly string[]): Promise<void> {
  const { status, stderr } = await runProgram(command, { signal: new AbortController().signal, patience: 60 });
  if (status !== 0) throw new Error(`${command.join(' ')} ended with ${status}: ${stderr}`);
}
