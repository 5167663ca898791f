import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { findProgram, llvmNames } from '../../tools/find-program.mjs';
import { exitCodes, MillraceError, UserError } from '../base/errors.ts';
import { projectRoot } from '../base/project.ts';

/** C programs compiled for this run; their folder goes with them. */
export interface CompiledPrograms extends Disposable {
  /** A folder of the run's own, for other files that it needs. */
  readonly folder: string;
  /** The program made from `PATH/name.c`. @throws Error for one that was not compiled */
  path(name: string): string;
}

/**
 * Compiles each source (a path from the project's folder) to a program, with clang or gcc, whichever is found.
 * @throws UserError MACHINE_MISSING_PROGRAM without a compiler; MillraceError BENCH_FAILED with the compiler's words
 */
export function compilePrograms(sources: readonly string[]): CompiledPrograms {
  const compiler = findProgram([...llvmNames('clang'), 'gcc', 'cc']);
  if (compiler === null) {
    throw new UserError(
      'MACHINE_MISSING_PROGRAM',
      'Cannot compile the programs of the benchmark because there is no C compiler: neither clang nor gcc',
      {
        cure: 'Install one; the set-up brings clang.',
        command: 'npm run setup',
        exitCode: exitCodes.machine,
      },
    );
  }
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-'));
  // they run as the user of an application
  chmodSync(folder, 0o755);
  const paths = new Map<string, string>();
  try {
    for (const source of sources) {
      const name = basename(source, '.c');
      const output = join(folder, name);
      compile(compiler, join(projectRoot(), source), output);
      paths.set(name, output);
    }
  } catch (error) {
    rmSync(folder, { recursive: true });
    throw error;
  }
  return {
    folder,
    path: (name) => {
      const path = paths.get(name);
      if (path === undefined) throw new Error(`no such program was compiled: ${name}`);
      return path;
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function compile(compiler: string, source: string, output: string): void {
  const flags = ['-O2', '-Wall', '-Wextra', '-Werror', '-D_GNU_SOURCE'];
  try {
    execFileSync(compiler, [...flags, source, '-o', output], { stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' });
  } catch (cause) {
    throw new MillraceError('BENCH_FAILED', `Cannot compile ${source} because ${basename(compiler)} refused it: ${String(cause)}`, {
      cause,
    });
  }
}
