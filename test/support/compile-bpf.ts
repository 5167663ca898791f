import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const repository = new URL('../..', import.meta.url).pathname;

/**
 * Compiles a BPF program of the repository (a path from its root) as the build does, and returns the stripped object.
 * @throws Error with the compiler's output when it does not compile, or when there is no clang
 */
export function compileBpf(source: string): Buffer {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-bpf-'));
  const object = join(directory, 'out.o');
  try {
    const flags = [
      '-O2',
      '-g',
      '-target',
      'bpf',
      '-mcpu=v3',
      '-Wall',
      '-Wextra',
      '-Werror',
      '-I',
      'bpf',
      `-I/usr/include/${process.arch === 'x64' ? 'x86_64' : 'aarch64'}-linux-gnu`,
    ];
    execFileSync(onPath('clang', 'clang-14'), [...flags, '-c', source, '-o', object], { cwd: repository, stdio: 'pipe' });
    execFileSync(onPath('llvm-strip', 'llvm-strip-14'), ['-g', object], { stdio: 'pipe' });
    return readFileSync(object);
  } finally {
    rmSync(directory, { recursive: true });
  }
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
