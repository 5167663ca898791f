import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bpfCompilerFlags } from '../../tools/bpf-compiler.mjs';

const repository = new URL('../..', import.meta.url).pathname;

/** A change of a source, as the next build might bring it. `from` must occur exactly once. */
export interface SourceEdit {
  /** A path from the root of the repository, below bpf/. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

/**
 * Compiles a BPF program of the repository (a path from its root) as the build does, and returns the stripped object. With `edits`, a changed
 * copy of the sources is compiled.
 * @throws Error with the compiler's output when it does not compile, when there is no clang, or when an edit does not fit
 */
export function compileBpf(source: string, edits: readonly SourceEdit[] = []): Buffer {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-bpf-'));
  const object = join(directory, 'out.o');
  try {
    if (edits.length > 0) cpSync(join(repository, 'bpf'), join(directory, 'bpf'), { recursive: true });
    for (const edit of edits) applyEdit(directory, edit);
    const cwd = edits.length > 0 ? directory : repository;
    execFileSync(onPath('clang', 'clang-14'), [...bpfCompilerFlags, '-c', source, '-o', object], { cwd, stdio: 'pipe' });
    execFileSync(onPath('llvm-strip', 'llvm-strip-14'), ['-g', object], { stdio: 'pipe' });
    return readFileSync(object);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function applyEdit(directory: string, { file, from, to }: SourceEdit): void {
  const path = join(directory, file);
  const parts = readFileSync(path, 'utf8').split(from);
  if (parts.length !== 2) throw new Error(`${file} has ${parts.length - 1} places that say ${JSON.stringify(from)}, not one`);
  writeFileSync(path, parts.join(to));
}

function onPath(...names: readonly string[]): string {
  for (const name of names) {
    try {
      execFileSync(name, ['--version'], { stdio: 'ignore' });
      return name;
    } catch {
      // the next name
    }
  }
  throw new Error(`none of ${names.join(', ')} is on the PATH: apt-get install clang llvm`);
}
