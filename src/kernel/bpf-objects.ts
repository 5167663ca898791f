import { Attr } from './attr.ts';
import type { BpfCommandName } from './bpf-constants.ts';
import { bpf, bpfResult } from './bpf-syscall.ts';
import { SysError } from './sys-error.ts';

/** Commands of bpf(2) that programs, maps and links have in common. Descriptors returned are close-on-exec and the caller's. */

export type ObjectKind = 'program' | 'map' | 'link';

/** BPF_OBJ_PIN: gives a program, map or link a name in a bpf file system. @throws SysError (EEXIST when the name is taken) */
export function objectPin(fd: number, path: string): void {
  bpf('OBJ_PIN', new Attr().text('pathname', path).u32('bpf_fd', fd), path);
}

/** BPF_OBJ_GET: a new descriptor of what is pinned at `path`. @throws SysError (ENOENT) */
export function objectGet(path: string): number {
  return bpf('OBJ_GET', new Attr().text('pathname', path), path);
}

/** BPF_OBJ_GET_INFO_BY_FD: fills `info` with the kernel's description; the rest stays as it is. */
export function objectInfo(fd: number, info: Buffer): void {
  bpf('OBJ_GET_INFO_BY_FD', new Attr().u32('info.bpf_fd', fd).u32('info.info_len', info.length).pointer('info.info', info));
}

const nextCommands: Record<ObjectKind, BpfCommandName> = { program: 'PROG_GET_NEXT_ID', map: 'MAP_GET_NEXT_ID', link: 'LINK_GET_NEXT_ID' };
const openCommands: Record<ObjectKind, BpfCommandName> = {
  program: 'PROG_GET_FD_BY_ID',
  map: 'MAP_GET_FD_BY_ID',
  link: 'LINK_GET_FD_BY_ID',
};

/** Ids of everything of one kind on the machine, ascending. */
export function* objectIds(kind: ObjectKind): Generator<number> {
  const attr = new Attr();
  for (let id = 0; ; ) {
    const result = bpfResult(nextCommands[kind], attr.u32('start_id', id).bytes);
    // ENOENT is how the kernel ends the list.
    if (result === -2) return;
    if (result < 0) throw new SysError(`bpf(${nextCommands[kind]} ${id})`, -result);
    id = attr.readU32('next_id');
    yield id;
  }
}

/** A descriptor of the object with this id. @throws SysError ENOENT when it is gone */
export function openById(kind: ObjectKind, id: number): number {
  return bpf(openCommands[kind], new Attr().u32('start_id', id), `id ${id}`);
}

/** BPF_ENABLE_STATS: run counts and times of all programs are kept until the returned descriptor is closed. Costs about 20 ns per run. */
export function enableStats(): number {
  const BPF_STATS_RUN_TIME = 0;
  return bpf('ENABLE_STATS', new Attr().u32('enable_stats.type', BPF_STATS_RUN_TIME));
}

/** BPF_BTF_LOAD: type information for raw program loads. The caller owns the descriptor. */
export function btfLoad(btf: Uint8Array): number {
  return bpf('BTF_LOAD', new Attr().pointer('btf', btf).u32('btf_size', btf.length));
}
