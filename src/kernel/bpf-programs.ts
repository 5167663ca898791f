import { Attr } from './attr.ts';
import type { AttachTypeName, ProgramTypeName } from './bpf-constants.ts';
import { AttachType, ProgramType } from './bpf-constants.ts';
import { bpf, bpfResult } from './bpf-syscall.ts';
import { fromCString } from './ffi.ts';

/** Commands of bpf(2) about programs. */

export interface ProgramLoad {
  readonly type: ProgramTypeName;
  readonly name: string;
  readonly expectedAttachType?: AttachTypeName;
  /** Relocated instructions, 8 bytes each. */
  readonly instructions: Uint8Array;
  /** As in the object's license section; GPL-compatible where a helper asks for it. */
  readonly license: string;
}

/** What BPF_PROG_LOAD made of the instructions: a descriptor of the caller's, or the errno and the verifier's log. */
export type ProgramLoadResult =
  | { readonly kind: 'loaded'; readonly fd: number }
  | { readonly kind: 'refused'; readonly errno: number; readonly log: string };

const probeLogBytes = 64 * 1024;

/**
 * BPF_PROG_LOAD on this thread. The verifier runs inside the call, so it is for small programs (probes) and start-up; Program.loadRaw
 * does it on another thread.
 */
export function programLoad(load: ProgramLoad): ProgramLoadResult {
  const attr = new Attr()
    .u32('prog_type', ProgramType[load.type])
    .u32('insn_cnt', load.instructions.length / 8)
    .pointer('insns', load.instructions)
    .text('license', load.license)
    .objectName('prog_name', load.name)
    .u32('expected_attach_type', load.expectedAttachType === undefined ? 0 : AttachType[load.expectedAttachType]);
  const result = bpfResult('PROG_LOAD', attr.bytes);
  if (result >= 0) return { kind: 'loaded', fd: result };
  const log = Buffer.alloc(probeLogBytes);
  const again = bpfResult('PROG_LOAD', attr.u32('log_level', 1).u32('log_size', log.length).pointer('log_buf', log).bytes);
  return again >= 0 ? { kind: 'loaded', fd: again } : { kind: 'refused', errno: -result, log: fromCString(log) };
}

export interface TestRun {
  /** What the program returned. */
  readonly returned: number;
  readonly data: Buffer;
  readonly context: Buffer;
  /** Mean time of one run, nanoseconds. */
  readonly nanoseconds: number;
}

/**
 * BPF_PROG_TEST_RUN: runs a program on `data` (a packet) and `context` (its __sk_buff). Blocks for `repeat` runs; for tests and benches.
 * @throws SysError ENOTSUPP for program types without test runs
 */
export function programTestRun(fd: number, data: Uint8Array, options: { repeat?: number; context?: Uint8Array } = {}): TestRun {
  const out = Buffer.alloc(data.length + 256);
  const context = options.context ?? Buffer.alloc(0);
  const contextOut = Buffer.alloc(context.length);
  const attr = new Attr()
    .u32('test.prog_fd', fd)
    .u32('test.data_size_in', data.length)
    .u32('test.data_size_out', data.length === 0 ? 0 : out.length)
    .pointer('test.data_in', data)
    .pointer('test.data_out', data.length === 0 ? Buffer.alloc(0) : out)
    .u32('test.repeat', options.repeat ?? 1)
    .u32('test.ctx_size_in', context.length)
    .u32('test.ctx_size_out', contextOut.length)
    .pointer('test.ctx_in', context)
    .pointer('test.ctx_out', contextOut);
  bpf('PROG_TEST_RUN', attr);
  return {
    returned: attr.readU32('test.retval'),
    data: out.subarray(0, attr.readU32('test.data_size_out')),
    context: contextOut.subarray(0, attr.readU32('test.ctx_size_out')),
    nanoseconds: attr.readU32('test.duration'),
  };
}

/** BPF_PROG_QUERY: ids of the programs attached to a cgroup (descriptor) or a network namespace (descriptor), in the order they run. */
export function programQuery(targetFd: number, attachType: AttachTypeName): number[] {
  const ids = Buffer.alloc(4 * 64);
  const attr = new Attr()
    .u32('query.target_fd', targetFd)
    .u32('query.attach_type', AttachType[attachType])
    .pointer('query.prog_ids', ids)
    .u32('query.prog_cnt', ids.length / 4);
  bpf('PROG_QUERY', attr, attachType);
  return Array.from({ length: attr.readU32('query.prog_cnt') }, (_, index) => ids.readUInt32LE(4 * index));
}
