import { kernelName } from './attr.ts';
import type { AttachTypeName, ProgramTypeName } from './bpf-constants.ts';
import { AttachType, nameOf, ProgramType } from './bpf-constants.ts';
import { objectGet, objectInfo, objectPin } from './bpf-objects.ts';
import type { TestRun } from './bpf-programs.ts';
import { programTestRun } from './bpf-programs.ts';
import { cgroupPathOfFd, openCgroup } from './cgroup.ts';
import { fromCString } from './ffi.ts';
import { bpfProgInfo, bpfProgInfoSize } from './layouts.ts';
import { closeFd } from './libc.ts';
import { Link } from './link.ts';
import type { BpfMap } from './map.ts';
import type { ThreadedLoad } from './program-load.ts';
import { loadOnAnotherThread } from './program-load.ts';

export interface ProgramInfo {
  readonly id: number;
  readonly type: ProgramTypeName | `unknown ${number}`;
  /** As the kernel keeps it: at most 15 characters. */
  readonly name: string;
  /** Hash of the instructions, 16 hexadecimal digits. */
  readonly tag: string;
  /** Instructions after the verifier rewrote them. */
  readonly translatedInstructions: number;
  /** Machine code, bytes; 0 without JIT. */
  readonly jitedBytes: number;
  /** Instructions the verifier walked, all paths; 0 before Linux 5.16. */
  readonly verifiedInstructions: number;
  /** Zero unless statistics are on, see enableStats. */
  readonly runs: bigint;
  readonly runTimeNanoseconds: bigint;
}

/** A loaded program. */
export class Program implements Disposable {
  readonly name: string;
  readonly #owned: boolean;
  #fd: number;

  private constructor(fd: number, name: string, owned: boolean) {
    this.#fd = fd;
    this.name = name;
    this.#owned = owned;
  }

  /** Wraps a descriptor that something else closes. */
  static borrow(fd: number, name: string): Program {
    return new Program(fd, name, false);
  }

  /** Opens what is pinned at `path`. @throws SysError ENOENT */
  static open(path: string): Program {
    const fd = objectGet(path);
    try {
      return new Program(fd, infoOf(fd).name, true);
    } catch (error) {
      closeFd(fd);
      throw error;
    }
  }

  /**
   * BPF_PROG_LOAD of instructions that are already relocated; the maps in them must be open in this process. The verifier runs on another
   * thread.
   * @throws VerifierError
   */
  static async loadRaw(load: ThreadedLoad): Promise<Program> {
    return new Program(await loadOnAnotherThread(load), kernelName(load.name), true);
  }

  /** The descriptor. @throws Error after close() */
  get fd(): number {
    if (this.#fd < 0) throw new Error(`Cannot use the program ${this.name} because it is closed`);
    return this.#fd;
  }

  get id(): number {
    return this.info().id;
  }

  /** What the kernel says of it now. */
  info(): ProgramInfo {
    return infoOf(this.fd);
  }

  /**
   * Attaches to a cgroup v2 directory, given by path or descriptor, beside other programs there.
   * @throws MillraceError SYS for the root cgroup, which Millrace never touches
   */
  attachCgroup(cgroup: string | number, type: AttachTypeName): Link {
    if (typeof cgroup === 'number') {
      cgroupPathOfFd(cgroup);
      return Link.create(this.fd, cgroup, AttachType[type]);
    }
    const fd = openCgroup(cgroup);
    try {
      return Link.create(this.fd, fd, AttachType[type]);
    } finally {
      closeFd(fd);
    }
  }

  /** Attaches an sk_lookup program to a network namespace. */
  attachNetns(netns: { readonly fd: number }): Link {
    return Link.create(this.fd, netns.fd, AttachType.SK_LOOKUP);
  }

  /**
   * Attaches to an interface (Linux ≥ 6.6). The index is looked up in the network namespace of the calling thread: call it inside
   * inNetns() for an interface elsewhere.
   */
  attachTcx(interfaceIndex: number, direction: 'ingress' | 'egress'): Link {
    return Link.create(this.fd, interfaceIndex, direction === 'ingress' ? AttachType.TCX_INGRESS : AttachType.TCX_EGRESS);
  }

  /** Attaches an sk_msg program to a SOCKMAP or SOCKHASH (Linux ≥ 6.10). */
  attachSockmap<K, V>(map: BpfMap<K, V>): Link {
    return Link.create(this.fd, map.fd, AttachType.SK_MSG_VERDICT);
  }

  /** Runs it on made-up input: see programTestRun. */
  testRun(data: Uint8Array, options: { repeat?: number; context?: Uint8Array } = {}): TestRun {
    return programTestRun(this.fd, data, options);
  }

  /** Gives it a name in a bpf file system. @throws SysError EEXIST */
  pin(path: string): void {
    objectPin(this.fd, path);
  }

  /** Ends our hold; links keep an attached program alive. A program of a BpfObject is only forgotten: its object closes it. */
  close(): void {
    const fd = this.#fd;
    this.#fd = -1;
    if (fd >= 0 && this.#owned) closeFd(fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function infoOf(fd: number): ProgramInfo {
  const info = Buffer.alloc(bpfProgInfoSize);
  objectInfo(fd, info);
  return {
    id: info.readUInt32LE(bpfProgInfo.id),
    type: nameOf(ProgramType, info.readUInt32LE(bpfProgInfo.type)),
    name: fromCString(info.subarray(bpfProgInfo.name, bpfProgInfo.name + 16)),
    tag: info.toString('hex', bpfProgInfo.tag, bpfProgInfo.tag + 8),
    translatedInstructions: info.readUInt32LE(bpfProgInfo.xlated_prog_len) / 8,
    jitedBytes: info.readUInt32LE(bpfProgInfo.jited_prog_len),
    verifiedInstructions: info.readUInt32LE(bpfProgInfo.verified_insns),
    runs: info.readBigUInt64LE(bpfProgInfo.run_cnt),
    runTimeNanoseconds: info.readBigUInt64LE(bpfProgInfo.run_time_ns),
  };
}
