import { rm } from 'node:fs/promises';
import type { Pod } from '../../abi/gen/index.ts';
import { PodFlags } from '../../abi/gen/index.ts';
import type { BpfObject } from '../../kernel/index.ts';
import { inNetns, Link, Program, patchConstant64, SysError } from '../../kernel/index.ts';
import { podCookieMark } from './attachments.ts';
import type { Pins } from './pins.ts';

/** A network namespace as the data path needs it. */
export interface NetnsTarget {
  readonly fd: number;
  readonly cookie: bigint;
  readonly inode: bigint;
}

/** A program of which every pod that needs it has a copy of its own, with its cookie in the place of a constant. */
export interface PodProgram {
  readonly name: string;
  readonly type: 'SK_LOOKUP' | 'SCHED_CLS';
  isWanted(pod: Pod): boolean;
  attach(program: Program, netns: NetnsTarget): Link;
  /** Whether a link that is pinned under the pod's name still hangs where it should. */
  isAttached(link: Link, netns: NetnsTarget): boolean;
}

/** lo is the first interface of every network namespace. */
const loopbackIndex = 1;

export const podPrograms: readonly PodProgram[] = [
  {
    name: 'mr_sk_lookup',
    type: 'SK_LOOKUP',
    isWanted: (pod) => (pod.flags & PodFlags.INBOUND_LOOKUP) !== 0,
    attach: (program, netns) => program.attachNetns(netns),
    isAttached: (link, netns) => {
      const { target } = link.info();
      return target.kind === 'netns' && BigInt(target.inode) === netns.inode;
    },
  },
  {
    name: 'mr_dns_nat',
    type: 'SCHED_CLS',
    isWanted: (pod) => (pod.flags & PodFlags.OUTBOUND) !== 0 && (pod.flags & PodFlags.DNS) !== 0,
    attach: (program, netns) => inNetns(netns.fd, () => program.attachTcx(loopbackIndex, 'egress')),
    isAttached: (link) => link.info().target.kind === 'tcx',
  },
];

/**
 * Attaches a pod's own copy of a program, pinned. One that is attached already is replaced in place by `replace` and left by `repair`. Returns
 * true when there was none. About 3 ms, most of it on another thread.
 */
export async function attachPodProgram(
  object: BpfObject,
  pins: Pins,
  netns: NetnsTarget,
  wanted: PodProgram,
  mode: 'replace' | 'repair',
): Promise<boolean> {
  const path = pins.link(wanted.name, netns.cookie);
  const existing = openIfThere(path);
  try {
    const attached = existing !== null && wanted.isAttached(existing, netns);
    if (attached && mode === 'repair') return false;
    using program = await Program.loadRaw({
      type: wanted.type,
      ...(wanted.type === 'SK_LOOKUP' ? { expectedAttachType: 'SK_LOOKUP' } : {}),
      name: wanted.name,
      instructions: patchConstant64(object.instructions(wanted.name), podCookieMark, netns.cookie),
      license: 'Dual BSD/GPL',
    });
    if (attached) {
      existing.update(program);
      return false;
    }
    // the namespace was replaced or the link was detached by hand: what is pinned is only a shell
    existing?.unpin();
    using link = wanted.attach(program, netns);
    link.pin(path);
    return true;
  } finally {
    existing?.close();
  }
}

/** Detaches a pod's copy. Nothing happens when there is none. */
export async function detachPodProgram(pins: Pins, cookie: bigint, name: string): Promise<void> {
  const path = pins.link(name, cookie);
  const link = openIfThere(path);
  if (link === null) return;
  try {
    link.detach();
  } catch (error) {
    // already gone with its namespace
    if (!(error instanceof SysError)) throw error;
  } finally {
    link.close();
    await rm(path, { force: true });
  }
}

/** The link pinned at `path`, or null when nothing is. */
export function openIfThere(path: string): Link | null {
  try {
    return Link.open(path);
  } catch (error) {
    if (error instanceof SysError && error.errno === 'ENOENT') return null;
    throw error;
  }
}
