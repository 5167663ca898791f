import { unlinkSync } from 'node:fs';
import { Attr } from './attr.ts';
import type { AttachTypeName, LinkTypeName } from './bpf-constants.ts';
import { AttachType, LinkType, nameOf } from './bpf-constants.ts';
import { objectGet, objectInfo, objectPin } from './bpf-objects.ts';
import { bpf } from './bpf-syscall.ts';
import { bpfLinkInfo, bpfLinkInfoSize } from './layouts.ts';
import { closeFd } from './libc.ts';

/** What a link is attached to; `detached` when its cgroup, namespace or interface is gone or detach() was called. */
export type LinkTarget =
  | { readonly kind: 'cgroup'; readonly cgroupId: bigint }
  | { readonly kind: 'netns'; readonly inode: number }
  | { readonly kind: 'tcx'; readonly interfaceIndex: number }
  | { readonly kind: 'sockmap'; readonly mapId: number }
  | { readonly kind: 'detached' }
  | { readonly kind: 'other' };

export interface LinkInfo {
  readonly id: number;
  readonly programId: number;
  readonly type: LinkTypeName | `unknown ${number}`;
  readonly attachType: AttachTypeName | `unknown ${number}` | null;
  readonly target: LinkTarget;
}

/** A loaded program, as far as a link needs it. */
export interface LinkProgram {
  readonly fd: number;
  readonly name: string;
}

const BPF_F_REPLACE = 4;

/**
 * An attachment of a program. Three words for three things: close() gives up our descriptor, unpin() removes its name, and when neither is
 * left the kernel detaches; detach() ends it at once, whoever else holds it.
 */
export class Link implements Disposable {
  #fd: number;
  #pinnedAt: string | null;

  private constructor(fd: number, pinnedAt: string | null) {
    this.#fd = fd;
    this.#pinnedAt = pinnedAt;
  }

  /**
   * BPF_LINK_CREATE. `target` is a descriptor (cgroup, netns, map) or an interface index, by the attach type. The methods of Program say
   * it better.
   */
  static create(programFd: number, target: number, attachType: number, flags = 0): Link {
    const attr = new Attr()
      .u32('link_create.prog_fd', programFd)
      .u32('link_create.target_fd', target)
      .u32('link_create.attach_type', attachType)
      .u32('link_create.flags', flags);
    return new Link(bpf('LINK_CREATE', attr, nameOf(AttachType, attachType)), null);
  }

  /** Opens what is pinned at `path`. @throws SysError ENOENT */
  static open(path: string): Link {
    return new Link(objectGet(path), path);
  }

  /** The descriptor. @throws Error after close() */
  get fd(): number {
    if (this.#fd < 0) throw new Error('Cannot use a link because it is closed');
    return this.#fd;
  }

  /** Where it is pinned, as far as this object knows. */
  get pinnedAt(): string | null {
    return this.#pinnedAt;
  }

  /** What the kernel says of it now. */
  info(): LinkInfo {
    const info = Buffer.alloc(bpfLinkInfoSize);
    objectInfo(this.fd, info);
    return readLinkInfo(info);
  }

  /**
   * Puts another program in place, atomically: no connection sees none. With `expected`, only if that one is there now.
   * @throws SysError EPERM when another one is there, ENOLINK or EINVAL when the link is detached
   */
  update(program: LinkProgram, expected?: LinkProgram): void {
    const attr = new Attr().u32('link_update.link_fd', this.fd).u32('link_update.new_prog_fd', program.fd);
    if (expected !== undefined) attr.u32('link_update.flags', BPF_F_REPLACE).u32('link_update.old_prog_fd', expected.fd);
    bpf('LINK_UPDATE', attr, program.name);
  }

  /** Gives it a name in a bpf file system, so that it outlives this process. @throws SysError EEXIST */
  pin(path: string): void {
    objectPin(this.fd, path);
    this.#pinnedAt = path;
  }

  /** Removes the name. The attachment stays while a descriptor is open. Nothing happens when it is not pinned. */
  unpin(): void {
    if (this.#pinnedAt === null) return;
    unlinkSync(this.#pinnedAt);
    this.#pinnedAt = null;
  }

  /** Ends the attachment at once; the link stays as an empty object until closed and unpinned. Not for sockmap links. */
  detach(): void {
    bpf('LINK_DETACH', new Attr().u32('link_detach.link_fd', this.fd));
  }

  /** Gives up our descriptor; a link that is not pinned ends with it. Twice is once. */
  close(): void {
    if (this.#fd < 0) return;
    const fd = this.#fd;
    this.#fd = -1;
    closeFd(fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Decodes struct bpf_link_info. */
export function readLinkInfo(info: Buffer): LinkInfo {
  const type = nameOf(LinkType, info.readUInt32LE(bpfLinkInfo.type));
  const second = info.readUInt32LE(bpfLinkInfo['netns.netns_ino']);
  const attachNumber = info.readUInt32LE(type === 'CGROUP' ? bpfLinkInfo['cgroup.attach_type'] : bpfLinkInfo['netns.attach_type']);
  const target = targetOf(type, info.readBigUInt64LE(bpfLinkInfo['cgroup.cgroup_id']), second);
  return {
    id: info.readUInt32LE(bpfLinkInfo.id),
    programId: info.readUInt32LE(bpfLinkInfo.prog_id),
    type,
    attachType: target.kind === 'other' ? null : nameOf(AttachType, attachNumber),
    target,
  };
}

function targetOf(type: LinkInfo['type'], cgroupId: bigint, number: number): LinkTarget {
  switch (type) {
    case 'CGROUP':
      return cgroupId === 0n ? { kind: 'detached' } : { kind: 'cgroup', cgroupId };
    case 'NETNS':
      return number === 0 ? { kind: 'detached' } : { kind: 'netns', inode: number };
    case 'TCX':
      return number === 0 ? { kind: 'detached' } : { kind: 'tcx', interfaceIndex: number };
    case 'SOCKMAP':
      return number === 0 ? { kind: 'detached' } : { kind: 'sockmap', mapId: number };
    default:
      return { kind: 'other' };
  }
}
