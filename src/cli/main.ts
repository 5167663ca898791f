import { constants } from 'node:os';
import { version } from '../base/project.ts';
import { printError } from './print-error.ts';
import type { CommandEntry } from './registry.ts';

const stoppingSignals = ['SIGINT', 'SIGTERM'] as const;

/**
 * The program: connects the process (arguments, streams, signals, exit code) with the commands. An interrupted command gets its signal aborted,
 * ends in its own time and leaves 130 (SIGINT) or 143 (SIGTERM); a second signal ends it at once.
 * @param load where the commands come from; the registry unless told
 */
export async function main(load: () => Promise<readonly CommandEntry[]> = loadRegistry): Promise<void> {
  const argv = process.argv.slice(2);
  const [first, second] = argv;
  if ((first === '--version' || first === '-V') && second === undefined) {
    process.stdout.write(`${version}\n`);
    return;
  }
  const abort = new AbortController();
  let interrupted: number | null = null;
  for (const name of stoppingSignals) {
    process.on(name, () => {
      const code = 128 + constants.signals[name];
      if (interrupted !== null) process.exit(code);
      interrupted = code;
      abort.abort(new DOMException(`interrupted by ${name}`, 'AbortError'));
    });
  }
  // `millrace … | head` is not a failure: stop quietly when nobody reads any more.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    interrupted ??= 0;
    abort.abort(new DOMException('nobody reads the output', 'AbortError'));
  });
  // What escapes from a timer or an event goes through the one printer too.
  process.on('uncaughtException', (error) => process.exit(printError(error, { output: process.stderr, json: false })));
  const [{ runCommandLine }, commands] = await Promise.all([import('./run.ts'), load()]);
  const code = await runCommandLine(argv, commands, version, {
    signal: abort.signal,
    stdout: process.stdout,
    stderr: process.stderr,
    stdin: process.stdin,
    env: process.env,
  });
  // Not process.exitCode alone: a handle that a command forgot must not keep the terminal waiting. What a slow reader of a pipe has not taken yet
  // is still queued here, and process.exit() would throw it away.
  await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
  process.exit(interrupted ?? code);
}

/** Waits until all that was written has left this process, or nobody reads it any more. */
function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.writableLength === 0 || !stream.writable) resolve();
    else stream.write('', () => resolve());
  });
}

async function loadRegistry(): Promise<readonly CommandEntry[]> {
  return (await import('./commands.ts')).commands;
}
