import { join } from 'node:path';
import { exitCodes, UserError } from '../base/errors.ts';
import { projectRoot } from '../base/project.ts';
import { runProgram } from './process.ts';
import type { Expectation, TortureCase, Transcript } from './types.ts';

/** The program built from torture/: both ends of its cases, and the stand-in proxy. */
export function torturePath(): string {
  return join(projectRoot(), 'dist', 'torture');
}

/** The cases that are written in C, as the program lists them. @throws UserError MACHINE_MISSING_PROGRAM where it is not built */
export async function nativeCases(signal: AbortSignal): Promise<readonly TortureCase[]> {
  const { status, stdout } = await runProgram([torturePath(), 'list'], { signal, patience: 10 });
  if (status !== 0) {
    throw new UserError('MACHINE_MISSING_PROGRAM', `Cannot run the torture suite because its program does not run: ${torturePath()}`, {
      cure: 'Build the project.',
      command: 'npm run setup',
      exitCode: exitCodes.machine,
    });
  }
  return stdout.trim().split('\n').map(parseCase);
}

function parseCase(line: string): TortureCase {
  const [name = '', direct = '', proxied = '', summary = ''] = line.split('\t');
  return {
    name,
    summary,
    direct: expectation(direct),
    proxied: expectation(proxied),
    heavy: false,
    missing: null,
    run: async ({ client, server, address, seed, patience, signal }) => {
      const args = ['case', name, client, server, address, String(seed), String(patience)];
      const { status, stdout, stderr } = await runProgram([torturePath(), ...args], { signal, patience: patience + 5 });
      return parseTranscript(stdout + stderr, status);
    },
  };
}

function expectation(text: string): Expectation {
  return text === 'must' || text === 'never' ? text : 'may';
}

/** Lines that begin with `=` are figures, with `!` reasons why it failed; all others were seen. Pure. */
export function parseTranscript(text: string, status: number): Transcript {
  const all = text.split('\n').filter((line) => line !== '');
  const figures = all.filter((line) => line.startsWith('=')).map((line) => line.slice(1).split(' '));
  const lines = all.filter((line) => !line.startsWith('='));
  return {
    lines,
    failed: status !== 0 || lines.some((line) => line.startsWith('!')),
    measures: Object.fromEntries(figures.map(([name = '', value = '']) => [name, Number(value)])),
  };
}
