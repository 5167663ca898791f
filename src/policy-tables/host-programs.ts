import { UserError } from '../base/errors.ts';
import type { BpfObject, Link } from '../kernel/index.ts';
import { inNetns, isSysError, Program } from '../kernel/index.ts';
import { policyAttachments } from '../redirect/ebpf/attachments.ts';
import type { DataPlaneMaps } from '../redirect/ebpf/maps.ts';
import type { WantedLink } from '../redirect/ebpf/pinned-link.ts';
import { ensureLink, openIfThere, removeLink } from '../redirect/ebpf/pinned-link.ts';
import type { Pins, PodLink } from '../redirect/ebpf/pins.ts';
import { pinnedPolicyLinks } from '../redirect/ebpf/pins.ts';
import type { HostInterface } from './host-interface.ts';
import { findHostInterfaces } from './host-interface.ts';

/** What hangs at a pod's interfaces after guard(). */
export interface PodGuard {
  readonly interfaces: readonly HostInterface[];
  /** Interfaces of the pod that policy sees nothing of. */
  readonly unseen: readonly string[];
  /** The node's ends, by index, of interfaces that were the pod's and are in another namespace now. They stay guarded. */
  readonly moved: readonly number[];
  /** Programs that had to be attached anew. */
  readonly attached: readonly string[];
}

/** An open network namespace. */
interface Netns {
  readonly fd: number;
}

/**
 * The two policy programs at the node's end of every pod's interfaces, pinned: they go on when this process ends, and the next one takes them
 * over in place. Programs of others on the same hooks stay where they are.
 */
export class HostPrograms {
  readonly #object: BpfObject;
  readonly #maps: Pick<DataPlaneMaps, 'hostInterfaces'>;
  readonly #pins: Pins;
  readonly #node: Netns;

  /** `node` is the namespace that the pods' interfaces lead to; it and the object must stay open. */
  constructor(object: BpfObject, maps: Pick<DataPlaneMaps, 'hostInterfaces'>, pins: Pins, node: Netns) {
    this.#object = object;
    this.#maps = maps;
    this.#pins = pins;
    this.#node = node;
  }

  /**
   * Hangs the programs at all interfaces of a pod and tells them whose they are. `replace` puts this build's programs in place of those of an
   * earlier process; `repair` only mends what is gone. Its endpoint must have been applied before: until then nothing passes.
   * About 1 ms. @throws UserError MACHINE_KERNEL_TOO_OLD without tcx (Linux 6.6); SysError
   */
  async guard(pod: Netns & { readonly cookie: bigint }, mode: 'replace' | 'repair' = 'replace'): Promise<PodGuard> {
    const { interfaces, unseen } = findHostInterfaces(pod, this.#node);
    const wanted = new Set<string>();
    const attached: string[] = [];
    for (const { index } of interfaces) {
      // the row first: a program that does not know its interface lets everything pass
      if (this.#maps.hostInterfaces.get(index) !== pod.cookie) this.#maps.hostInterfaces.set(index, pod.cookie);
      for (const attachment of policyAttachments) {
        const link = this.#wanted(attachment, pod.cookie, index);
        wanted.add(link.path);
        if (await ensureLink(link, mode).catch(tooOld)) attached.push(attachment.program);
      }
    }
    const moved = await this.#remove(pod.cookie, wanted, 'moved');
    return { interfaces, unseen, moved, attached };
  }

  /** Ends the enforcement at a pod's interfaces. */
  async unguard(cookie: bigint): Promise<void> {
    await this.#remove(cookie, new Set());
  }

  /** The pods at whose interfaces something hangs or is known. */
  async guarded(): Promise<ReadonlySet<bigint>> {
    const links = await pinnedPolicyLinks(this.#pins);
    return new Set([...links.map(({ cookie }) => cookie), ...[...this.#maps.hostInterfaces.entries()].map(([, cookie]) => cookie)]);
  }

  /**
   * Links first: an interface that nobody knows is judged by nobody. With `keep` those stay whose interface is still there and no other pod's: the pod
   * may have moved its own end to a namespace that it made, to be judged by nobody. Returns their indices.
   */
  async #remove(cookie: bigint, except: ReadonlySet<string>, keep?: 'moved'): Promise<readonly number[]> {
    const kept = new Set<number | undefined>();
    const moved = new Set<number>();
    for (const link of await pinnedPolicyLinks(this.#pins)) {
      if (link.cookie !== cookie) continue;
      if (except.has(link.path)) kept.add(link.interfaceIndex);
      else if (keep === 'moved' && this.#isStillItsOwn(link)) moved.add(link.interfaceIndex ?? 0);
      else await removeLink(link.path);
    }
    const stale = [...this.#maps.hostInterfaces.entries()].filter(
      ([index, owner]) => owner === cookie && !kept.has(index) && !moved.has(index),
    );
    for (const [index] of stale) this.#maps.hostInterfaces.delete(index);
    return [...moved];
  }

  #isStillItsOwn({ path, cookie, interfaceIndex }: PodLink): boolean {
    if (interfaceIndex === undefined || this.#maps.hostInterfaces.get(interfaceIndex) !== cookie) return false;
    using link = openIfThere(path);
    return link !== null && hangsAt(link, interfaceIndex);
  }

  #wanted({ program, hook }: (typeof policyAttachments)[number], cookie: bigint, index: number): WantedLink {
    return {
      path: this.#pins.link(program, cookie, index),
      isInPlace: (link) => hangsAt(link, index),
      // closing this one leaves the object's own open
      program: () => Program.borrow(this.#object.program(program).fd, program),
      attach: (own) => inNetns(this.#node.fd, () => own.attachTcx(index, hook)),
    };
  }
}

function hangsAt(link: Link, index: number): boolean {
  const { target } = link.info();
  return target.kind === 'tcx' && target.interfaceIndex === index;
}

/** Where the kernel has no tcx, its link type is an invalid argument. */
function tooOld(error: unknown): never {
  if (!isSysError(error, 'EINVAL')) throw error;
  throw new UserError('MACHINE_KERNEL_TOO_OLD', 'Cannot enforce policy because this kernel has no tcx links: Linux 6.6 has them', {
    cause: error,
    cure: 'Run a newer kernel on this node, or take the policy away from its pods: redirection works without it.',
  });
}
