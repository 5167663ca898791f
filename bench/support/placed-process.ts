import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { join } from 'node:path';

/** Where a process is to run, and as whom. It is all of that before it makes its first socket. */
export interface Place {
  /** A cgroup v2 directory. */
  readonly cgroup: string;
  /** A network namespace, as a path. */
  readonly netns: string;
  readonly uid: number;
  /** The only CPU it may use; null: all. */
  readonly cpu: number | null;
}

/**
 * Starts a program in its place. It is killed when this process ends.
 * Its standard error is ours, its standard output a pipe.
 */
export function startPlaced(place: Place, program: string, args: readonly string[]): ChildProcess {
  const pin = place.cpu === null ? [] : ['taskset', '--cpu-list', String(place.cpu)];
  const id = String(place.uid);
  const command = [
    ...pin,
    'nsenter',
    `--net=${place.netns}`,
    '--',
    'setpriv',
    '--reuid',
    id,
    '--regid',
    id,
    '--clear-groups',
    '--pdeathsig',
    'KILL',
    program,
    ...args,
  ];
  // Every step replaces the one before it, so the child that we know is the program itself.
  const script = 'echo $$ > "$0" && exec "$@"';
  return spawn('sh', ['-c', script, join(place.cgroup, 'cgroup.procs'), ...command], { stdio: ['ignore', 'pipe', 'inherit'] });
}

/** Everything that the process writes until its end. @throws Error when it does not end with 0 */
export async function outputOf(child: ChildProcess, what: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  child.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk));
  const ended = await endOf(child);
  if (ended !== '0') throw new Error(`Cannot use what ${what} measured because it ended with ${ended}`);
  return Buffer.concat(chunks);
}

/** Waits for the line by which a server says that it listens. @throws Error when it ends before */
export async function untilReady(child: ChildProcess, what: string): Promise<void> {
  await Promise.race([
    new Promise<void>((resolve) => child.stdout?.once('data', () => resolve())),
    endOf(child).then((ended) => {
      throw new Error(`Cannot go on because ${what} ended with ${ended} before it was ready`);
    }),
  ]);
}

/** Ends a process that we started and waits for its end. */
export async function stop(child: ChildProcess): Promise<void> {
  const ended = endOf(child);
  child.kill('SIGKILL');
  await ended;
}

function endOf(child: ChildProcess): Promise<string> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(String(child.signalCode ?? child.exitCode));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(String(signal ?? code)));
  });
}
