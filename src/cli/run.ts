import type { CommandEnvironment } from './command.ts';
import { parseCommandLine } from './parse.ts';
import { printError } from './print-error.ts';
import type { CommandEntry } from './registry.ts';

/** Runs one command line to its end and gives its exit code. Never throws: every failure goes through the one printer. */
export async function runCommandLine(
  argv: readonly string[],
  entries: readonly CommandEntry[],
  version: string,
  environment: CommandEnvironment,
): Promise<number> {
  try {
    const invocation = await parseCommandLine(argv, entries, version, environment);
    return invocation.kind === 'answered' ? 0 : await invocation.command.run(environment, invocation.values);
  } catch (error) {
    // Whoever was interrupted reports the interruption by its exit code, not as a failure.
    if (environment.signal.aborted && isAbort(error, environment.signal)) return 1;
    return printError(error, { output: environment.stderr, json: wantsJson(argv) });
  }
}

function isAbort(error: unknown, signal: AbortSignal): boolean {
  return error === signal.reason || (error instanceof Error && error.name === 'AbortError');
}

/** Whether errors shall be JSON too; read without the parser, because the command line itself may be what is wrong. */
function wantsJson(argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  const words = end === -1 ? argv : argv.slice(0, end);
  return words.some(
    (word, index) =>
      word === '-ojson' ||
      word === '-o=json' ||
      word === '--output=json' ||
      ((word === '-o' || word === '--output') && words[index + 1] === 'json'),
  );
}
