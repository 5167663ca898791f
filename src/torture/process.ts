import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** What a program wrote and how it ended; -1 where a signal ended it. */
export interface Ended {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ProgramOptions {
  readonly signal: AbortSignal;
  /** Seconds until it is killed. */
  readonly patience: number;
  /** A network namespace by its path; this process's own unless told. */
  readonly netns?: string;
  /** Standard input; nothing unless told. */
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs a program to its end. Its exit code is a result. @throws the abort reason */
export async function runProgram(command: readonly string[], options: ProgramOptions): Promise<Ended> {
  const child = startProgram(command, options);
  const timer = setTimeout(() => child.kill('SIGKILL'), options.patience * 1000);
  try {
    const output = { stdout: '', stderr: '' };
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (output.stdout += text));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
    child.stdin?.end(options.input ?? '');
    const status = await closed(child);
    options.signal.throwIfAborted();
    return { status, ...output };
  } finally {
    clearTimeout(timer);
  }
}

/** A program that runs beside others until it is disposed of. */
export interface Server extends AsyncDisposable {
  readonly pid: number;
  /** The first line that it wrote. */
  readonly greeting: string;
  /** The end of what it wrote to standard error. */
  problems(): string;
}

/** Starts a program and waits for its first line of output. The caller disposes of it. @throws Error where it ends without one */
export async function startServer(command: readonly string[], options: Omit<ProgramOptions, 'input'>): Promise<Server> {
  const child = startProgram(command, options);
  let problems = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    problems = (problems + text).slice(-2000);
  });
  const ended = closed(child);
  const timer = setTimeout(() => child.kill('SIGKILL'), options.patience * 1000);
  const greeting = await firstLine(child);
  clearTimeout(timer);
  if (greeting === null || child.pid === undefined) {
    await ended;
    options.signal.throwIfAborted();
    throw new Error(`${command.join(' ')} ended before it was ready: ${problems}`);
  }
  return {
    pid: child.pid,
    greeting,
    problems: () => problems,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** The exit code, -1 after a signal or where the program did not start. An error comes before the end, and says nothing more. */
function closed(child: ChildProcess): Promise<number> {
  return new Promise((resolve) => child.once('close', (code) => resolve(code ?? -1)));
}

async function firstLine(child: ChildProcess): Promise<string | null> {
  if (child.stdout === null) return null;
  for await (const line of createInterface({ input: child.stdout })) {
    // nobody reads the rest, and a full pipe must not stop the program
    child.stdout.resume();
    return line;
  }
  return null;
}

/** The programs share this process's cgroup, so that their sockets are the pods', and end with it. */
function startProgram(command: readonly string[], { netns, env, signal }: Omit<ProgramOptions, 'patience'>): ChildProcess {
  const inside = netns === undefined ? [] : ['nsenter', `--net=${netns}`, '--'];
  const [program = '', ...args] = ['setpriv', '--pdeathsig', 'KILL', ...inside, ...command];
  const child = spawn(program, args, { stdio: 'pipe', env: { ...process.env, ...env }, signal, killSignal: 'SIGKILL' });
  child.stdin?.on('error', () => undefined);
  // an abort is told by the signal itself
  child.on('error', () => undefined);
  return child;
}

/** Servers that several runs use, each started once. */
export class ServerPool implements AsyncDisposable {
  readonly #servers = new Map<string, Promise<Server>>();

  /** The server of that name; started by the first who asks. @throws what `start` throws, for everybody who asks */
  get(name: string, start: () => Promise<Server>): Promise<Server> {
    const found = this.#servers.get(name) ?? start();
    this.#servers.set(name, found);
    return found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const started = await Promise.allSettled(this.#servers.values());
    await Promise.all(started.map((result) => (result.status === 'fulfilled' ? result.value[Symbol.asyncDispose]() : undefined)));
  }
}
