import { Attr, kernelName } from './attr.ts';
import { AttachType, ProgramType } from './bpf-constants.ts';
import type { ProgramLoad } from './bpf-programs.ts';
import { traceBpf } from './bpf-syscall.ts';
import { addressOf, fromCString, keepAlive } from './ffi.ts';
import { bpfProgLoadOpts, bpfProgLoadOptsSize } from './layouts.ts';
import { libbpf } from './libbpf.ts';
import { VerifierError } from './verifier-error.ts';

/** Type information for functions (BTF func_info), needed by programs with callbacks or global functions. */
export interface FunctionInfo {
  readonly btfFd: number;
  /** Records of struct bpf_func_info, 8 bytes each. */
  readonly records: Uint8Array;
}

export interface ThreadedLoad extends ProgramLoad {
  readonly functions?: FunctionInfo;
}

const logBytes = 4 * 1024 * 1024;

/** Loads a program with the verifier on another thread and returns its descriptor, the caller's. @throws VerifierError */
export async function loadOnAnotherThread(load: ThreadedLoad): Promise<number> {
  // Without a log first: the verifier is faster that way, and the log is wanted only when it refuses.
  const first = await attempt(load, null);
  if (first >= 0) return first;
  const log = Buffer.alloc(logBytes);
  const second = await attempt(load, log);
  if (second >= 0) return second;
  throw new VerifierError({ program: load.name, errno: -first, log: fromCString(log) });
}

/** libbpf's bpf_prog_load, because it returns -errno: errno itself is lost on the way back from another thread. */
function attempt(load: ThreadedLoad, log: Buffer | null): Promise<number> {
  const options = Buffer.alloc(bpfProgLoadOptsSize);
  options.writeBigUInt64LE(BigInt(bpfProgLoadOptsSize), bpfProgLoadOpts.sz);
  if (load.expectedAttachType !== undefined)
    options.writeUInt32LE(AttachType[load.expectedAttachType], bpfProgLoadOpts.expected_attach_type);
  const functions = load.functions;
  if (functions !== undefined) {
    options.writeUInt32LE(functions.btfFd, bpfProgLoadOpts.prog_btf_fd);
    options.writeBigUInt64LE(addressOf(functions.records), bpfProgLoadOpts.func_info);
    options.writeUInt32LE(functions.records.length / 8, bpfProgLoadOpts.func_info_cnt);
    options.writeUInt32LE(8, bpfProgLoadOpts.func_info_rec_size);
  }
  if (log !== null) {
    options.writeUInt32LE(1, bpfProgLoadOpts.log_level);
    options.writeUInt32LE(log.length, bpfProgLoadOpts.log_size);
    options.writeBigUInt64LE(addressOf(log), bpfProgLoadOpts.log_buf);
  }
  const started = performance.now();
  const count = load.instructions.length / 8;
  return new Promise((resolve, reject) => {
    libbpf().progLoad.async(
      ProgramType[load.type],
      kernelName(load.name),
      load.license,
      load.instructions,
      count,
      options,
      (error, result) => {
        const shown = new Attr()
          .u32('prog_type', ProgramType[load.type])
          .u32('insn_cnt', count)
          .objectName('prog_name', load.name)
          .u32('expected_attach_type', load.expectedAttachType === undefined ? 0 : AttachType[load.expectedAttachType]);
        traceBpf('PROG_LOAD', shown.bytes, result, (performance.now() - started) * 1000);
        keepAlive(load.instructions, options, ...(functions === undefined ? [] : [functions.records]), ...(log === null ? [] : [log]));
        if (error === null) resolve(result);
        else reject(error);
      },
    );
  });
}
