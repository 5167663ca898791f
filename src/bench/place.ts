import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { MillraceError } from '../base/errors.ts';

/** Where a process runs. It is there before it makes its first socket. */
export interface Place {
  /** A cgroup v2 directory. */
  readonly cgroup: string;
  /** A network namespace, as a path. */
  readonly netns: string;
}

/** The user of applications in the lab. */
const applicationId = '1000';

/** A command line that runs `argv` at its place as an application's user, on some CPUs only (as taskset lists them). Pure. */
export function placedCommand(place: Place, cpus: string, argv: readonly string[]): readonly string[] {
  const user = [
    'setpriv',
    '--reuid',
    applicationId,
    '--regid',
    applicationId,
    '--clear-groups',
    '--no-new-privs',
    '--pdeathsig',
    'KILL',
    '--',
  ];
  const inside = ['nsenter', `--net=${place.netns}`, '--', 'taskset', '--cpu-list', cpus, ...user, ...argv];
  // Every step replaces the one before it, so the process that we know is the program itself.
  return ['/bin/sh', '-c', 'echo $$ > "$0/cgroup.procs" && exec "$@"', place.cgroup, ...inside];
}

/** What a program left behind. */
export interface Finished {
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a program to its end.
 * @throws MillraceError BENCH_FAILED when it fails or is not done after `timeoutMs`, with the end of what it wrote; the abort reason
 */
export async function runToEnd(
  what: string,
  command: readonly string[],
  options: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<Finished> {
  options.signal.throwIfAborted();
  const child = start(command);
  const output = { stdout: '', stderr: '' };
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output.stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    output.stderr += text;
  });
  const kill = () => child.kill('SIGKILL');
  const timer = setTimeout(kill, options.timeoutMs);
  options.signal.addEventListener('abort', kill, { once: true });
  try {
    const ended = await closed(child);
    options.signal.throwIfAborted();
    if (ended === '0') return output;
    const said = (output.stderr || output.stdout).trim().slice(-500);
    throw new MillraceError(
      'BENCH_FAILED',
      `Cannot use what ${what} measured because it ended with ${ended}: ${said === '' ? 'it said nothing' : said}`,
    );
  } finally {
    clearTimeout(timer);
    options.signal.removeEventListener('abort', kill);
  }
}

/** A server that runs until it is disposed of. */
export interface RunningServer extends AsyncDisposable {
  readonly pid: number;
}

const serverPatienceMs = 10_000;

/** Starts a server and waits until it says that it listens. @throws MillraceError BENCH_FAILED when it does not; the abort reason */
export async function startServer(what: string, command: readonly string[], signal: AbortSignal): Promise<RunningServer> {
  const child = start(command);
  let stderr = '';
  child.stderr?.on('data', (bytes: Buffer) => {
    stderr += bytes.toString();
  });
  const ended = closed(child);
  const stop = async () => {
    child.kill('SIGKILL');
    await ended;
  };
  const waiting = new AbortController();
  const patience = AbortSignal.any([signal, waiting.signal]);
  try {
    const outcome = await Promise.race([
      once(child.stdout ?? child, 'data', { signal: patience }).then(() => 'ready'),
      ended,
      delay(serverPatienceMs, 'nothing', { signal: patience }),
    ]);
    if (outcome !== 'ready' || child.pid === undefined)
      throw new MillraceError('BENCH_FAILED', `Cannot measure because ${what} does not listen, it ended with ${outcome}: ${stderr.trim()}`);
    return { pid: child.pid, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  } finally {
    waiting.abort();
  }
}

function start(command: readonly string[]): ChildProcess {
  const [program = '', ...args] = command;
  return spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], cwd: '/' });
}

/** `0`, another exit code, or the signal that ended it. */
function closed(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(String(signal ?? code)));
  });
}
