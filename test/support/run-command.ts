import { Readable } from 'node:stream';
import { commands } from '../../src/cli/commands.ts';
import { runCommandLine } from '../../src/cli/run.ts';
import { RecordedOutput } from './recorded-output.ts';
import type { Ran } from './run-process.ts';

/** Runs one command line of ours in this process. */
export async function runCommand(
  argv: readonly string[],
  options: { readonly input?: string; readonly signal?: AbortSignal; readonly stdout?: RecordedOutput } = {},
): Promise<Ran> {
  const [stdout, stderr] = [options.stdout ?? new RecordedOutput(), new RecordedOutput()];
  const status = await runCommandLine(argv, commands, '0.0.0', {
    signal: options.signal ?? new AbortController().signal,
    stdout,
    stderr,
    stdin: Readable.from([options.input ?? '']),
    env: {},
  });
  return { status, stdout: stdout.text, stderr: stderr.text };
}
