// @ts-check
import { arch } from 'node:process';

/** The names that clang, the kernel's headers and Debian's folders use for this machine's processor. */
const processor = arch === 'arm64' ? { target: 'arm64', folder: 'aarch64-linux-gnu' } : { target: 'x86', folder: 'x86_64-linux-gnu' };

/** How every BPF program is compiled, by the build and by tests: with `bpf/` of the current directory as the include path. */
export const bpfCompilerFlags = [
  '-O2',
  '-g',
  '-target',
  'bpf',
  '-mcpu=v3',
  '-Wall',
  '-Wextra',
  // The kernel fixes a program's parameters, so one that is not used is no mistake.
  '-Wno-unused-parameter',
  '-Werror',
  `-D__TARGET_ARCH_${processor.target}`,
  '-I',
  'bpf',
  `-I/usr/include/${processor.folder}`,
];
