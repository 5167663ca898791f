import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { projectRoot } from '../../src/base/project.ts';
import { findProgram, llvmNames } from '../../tools/find-program.mjs';

/** C programs compiled for this run; their folder goes with them. */
export interface CompiledPrograms extends Disposable {
  /** The program made from `PATH/name.c`. @throws Error for one that was not compiled */
  path(name: string): string;
}

/**
 * Compiles each source (a path from the project's folder) to a program, with clang or gcc, whichever is found.
 * @throws Error with the compiler's words
 */
export function compilePrograms(sources: readonly string[]): CompiledPrograms {
  const compiler = findProgram([...llvmNames('clang'), 'gcc', 'cc']);
  if (compiler === null) throw new Error('Cannot compile the benchmark because there is no C compiler: npm run setup installs clang');
  const directory = mkdtempSync(join(tmpdir(), 'millrace-bench-'));
  const paths = new Map<string, string>();
  try {
    for (const source of sources) {
      const name = basename(source, '.c');
      const output = join(directory, name);
      const flags = ['-O2', '-Wall', '-Wextra', '-Werror', '-D_GNU_SOURCE'];
      execFileSync(compiler, [...flags, join(projectRoot(), source), '-o', output], { stdio: ['ignore', 'inherit', 'inherit'] });
      paths.set(name, output);
    }
  } catch (error) {
    rmSync(directory, { recursive: true });
    throw error;
  }
  return {
    path: (name) => {
      const path = paths.get(name);
      if (path === undefined) throw new Error(`no such program was compiled: ${name}`);
      return path;
    },
    [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }),
  };
}
