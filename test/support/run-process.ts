import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { launcherPath } from '../../src/base/project.ts';

/** What a process left behind. */
export interface Ran {
  /** Its exit code; 128 + N when signal N ended it. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Standard input; nothing unless told. */
  readonly input?: string;
  /** Milliseconds until it is killed; 60,000 unless told. */
  readonly timeoutMs?: number;
}

/** Runs a program to its end. Its exit code is a result, not a failure. */
export async function runProcess(program: string, args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const child = startProcess(program, args, options);
  child.stdin?.end(options.input ?? '');
  const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs ?? 60_000);
  try {
    return await ended(child);
  } finally {
    clearTimeout(timer);
  }
}

/** Runs `millrace ARGS` as a user would, colours off. */
export function millrace(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  return runProcess(launcherPath(), args, options);
}

/** Starts a program with all of its streams as pipes. The caller ends it. */
export function startProcess(program: string, args: readonly string[], options: Pick<RunOptions, 'env'> = {}): ChildProcess {
  const { FORCE_COLOR: _colour, ...env } = process.env;
  const child = spawn(program, args, { stdio: 'pipe', env: { ...env, NO_COLOR: '1', ...options.env }, cwd: '/' });
  // A program that ends without reading its input is not our failure.
  child.stdin?.on('error', () => undefined);
  return child;
}

/** Resolves with what a process wrote from now on and how it ended. */
export function ended(child: ChildProcess): Promise<Ran> {
  const output = { stdout: '', stderr: '' };
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output.stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    output.stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ status: code ?? 128 + (signal === null ? 0 : constants.signals[signal]), ...output }));
  });
}

/** Resolves when `look` gives something else than null; asks every 50 ms. Throws `what` after `timeoutMs` (10,000 unless told). */
export async function until<T>(what: string, look: () => Promise<T | null> | T | null, timeoutMs = 10_000): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const seen = await look();
    if (seen !== null) return seen;
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
