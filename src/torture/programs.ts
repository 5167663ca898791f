import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cleanup } from '../base/cleanup.ts';
import { runProgram, startServer } from './process.ts';
import { randomOf } from './speaker/types.ts';
import type { Place, TortureCase, Transcript } from './types.ts';

/** Debian keeps the server's programs in a folder for each version. */
const postgresFolders = ['17', '16', '15', '14', '13'].map((version) => `/usr/lib/postgresql/${version}/bin`);
/** uid and gid under which the server runs: it refuses to be root. */
const postgresIds = ['setpriv', '--reuid=999', '--regid=999', '--clear-groups', '--'];

/** Programs of the machine, as they are: OpenSSL and PostgreSQL. What they need is made in a folder that `cleanup` removes. */
export async function programCases(cleanup: Cleanup): Promise<readonly TortureCase[]> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-torture-files-'));
  cleanup.defer(() => rm(folder, { recursive: true, force: true }));
  return [tls(folder), postgresCopy(folder)];
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

function postgresCopy(folder: string): TortureCase {
  const programs = postgresFolders.find((path) => existsSync(join(path, 'initdb')));
  const data = join(folder, 'cluster');
  const prepare = once(async () => {
    await mkdir(data, { mode: 0o700 });
    await must(['chown', '-R', '999:999', data]);
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
    missing: programs === undefined ? 'PostgreSQL is not installed' : null,
    run: async (place) => {
      await prepare();
      return copy(place, folder, data, programs ?? '');
    },
  };
}

/** A cluster of its own for each run: they may be in several namespaces at once. */
async function copy(place: Place, folder: string, template: string, programs: string): Promise<Transcript> {
  const { client, server, address, seed, patience, signal } = place;
  const random = randomOf(seed);
  const data = join(folder, `run-${randomBytes(6).toString('hex')}`);
  const port = String(10_000 + random.between(0, 20_000));
  const rows = Array.from(
    { length: random.between(500, 6000) },
    (_, index) => `${index}\t${random.bytes(random.between(1, 200)).toString('hex')}`,
  );
  const text = `${rows.join('\n')}\n`;
  const input = `${data}.tsv`;
  try {
    await must(['cp', '-a', template, data]);
    await writeFile(input, text);
    const settings = [
      `listen_addresses=${address}`,
      `port=${port}`,
      'fsync=off',
      `unix_socket_directories=${data}`,
      'shared_buffers=16MB',
      'max_connections=10',
    ];
    const postgres = [...postgresIds, join(programs, 'postgres'), '-D', data, ...settings.flatMap((setting) => ['-c', setting])];
    // it writes its log to standard error, and we wait for a line of standard output
    await using _ = await startServer(['sh', '-c', 'exec "$0" "$@" 2>&1', ...postgres], { netns: server, signal, patience: 30 });
    await untilAnswers(join(programs, 'pg_isready'), place, port);
    const script = `create table t (id int, v text)\n;\\copy t from '${input}'\n\\copy (select * from t order by id) to pstdout\n`;
    const connection = ['-h', address, '-p', port, '-U', 'postgres', '-d', 'postgres', '-q', '-v', 'ON_ERROR_STOP=1'];
    const ran = await runProgram(['psql', ...connection, '-f', '-'], {
      netns: client,
      signal,
      patience: patience + 10,
      input: script,
      env: { PGSSLMODE: 'disable' },
    });
    const same = digest(ran.stdout) === digest(text);
    return transcript(same ? 0 : 1, [
      `${rows.length} rows came ${same ? 'back' : `back as others, ${ran.stdout.length} bytes of ${text.length}: ${ran.stderr}`}`,
    ]);
  } finally {
    await rm(data, { recursive: true, force: true });
    await rm(input, { force: true });
  }
}

async function untilAnswers(isReady: string, { server, address, signal }: Place, port: string): Promise<void> {
  for (let attempt = 0; attempt < 300; attempt += 1) {
    const { status } = await runProgram([isReady, '-q', '-h', address, '-p', port], { netns: server, signal, patience: 5 });
    if (status === 0) return;
    await sleep(50, undefined, { signal });
  }
  throw new Error(`PostgreSQL does not answer on ${address} port ${port}`);
}

async function must(command: readonly string[]): Promise<void> {
  const { status, stderr } = await runProgram(command, { signal: new AbortController().signal, patience: 60 });
  if (status !== 0) throw new Error(`${command.join(' ')} ended with ${status}: ${stderr}`);
}
