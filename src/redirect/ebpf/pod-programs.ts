import { PodFlags } from '../../abi/gen/index.ts';
import type { BpfObject, Link } from '../../kernel/index.ts';
import { inNetns, Program, patchConstant64 } from '../../kernel/index.ts';
import { podCookieMark } from './attachments.ts';
import type { WantedLink } from './pinned-link.ts';
import { ensureLink, removeLink } from './pinned-link.ts';
import type { Pins, PodLink } from './pins.ts';
import { pinnedPodLinks } from './pins.ts';
import type { PodTables } from './tables.ts';

/** A network namespace as the data path needs it. */
export interface NetnsTarget {
  readonly fd: number;
  readonly cookie: bigint;
  readonly inode: bigint;
}

/** A program of which every pod that needs it has a copy of its own, with its cookie in the place of a constant. */
interface PodProgram {
  readonly name: string;
  readonly hook: 'sk_lookup' | 'ingress' | 'egress';
  /** Where it hangs: interfaces, or the namespace itself (lo, for tcx) where there is `undefined`. */
  places(tables: PodTables): readonly (number | undefined)[];
}

/** lo is the first interface of every network namespace. */
const loopbackIndex = 1;

const has = ({ pod }: PodTables, flag: number): boolean => (pod.flags & flag) !== 0;
const namespaceIf = (wanted: boolean): readonly undefined[] => (wanted ? [undefined] : []);
const capturedInterfaces = (tables: PodTables): readonly number[] => tables.interfaces.map(([{ index }]) => index);

const podPrograms: readonly PodProgram[] = [
  { name: 'mr_sk_lookup', hook: 'sk_lookup', places: (tables) => namespaceIf(has(tables, PodFlags.INBOUND_LOOKUP)) },
  { name: 'mr_dns_nat', hook: 'egress', places: (tables) => namespaceIf(has(tables, PodFlags.OUTBOUND) && has(tables, PodFlags.DNS)) },
  { name: 'mr_forward_out', hook: 'egress', places: capturedInterfaces },
  { name: 'mr_forward_in', hook: 'ingress', places: capturedInterfaces },
];

/**
 * Sees to it that a pod has its own copies of the programs that `tables` ask for, pinned, and no others. Those that are attached already are
 * replaced in place by `replace` and left by `repair`. `pinned` are the links of all pods, or of this one. Returns the names of those that were not. About 3 ms each, most of it on another thread.
 */
export async function ensurePodPrograms(
  object: BpfObject,
  pins: Pins,
  netns: NetnsTarget,
  tables: PodTables,
  mode: 'replace' | 'repair',
  pinned: readonly PodLink[],
): Promise<readonly string[]> {
  const attached: string[] = [];
  const wanted = new Set<string>();
  for (const program of podPrograms) {
    for (const place of program.places(tables)) {
      const path = pins.link(program.name, netns.cookie, place);
      wanted.add(path);
      if (await ensureLink(wantedLink(object, path, netns, program, place), mode)) attached.push(program.name);
    }
  }
  for (const link of pinned) if (link.cookie === netns.cookie && !wanted.has(link.path)) await removeLink(link.path);
  return attached;
}

/** Detaches everything that hangs inside of a pod. */
export async function removePodPrograms(pins: Pins, cookie: bigint): Promise<void> {
  for (const link of await pinnedPodLinks(pins)) if (link.cookie === cookie) await removeLink(link.path);
}

function wantedLink(object: BpfObject, path: string, netns: NetnsTarget, wanted: PodProgram, place: number | undefined): WantedLink {
  return {
    path,
    isInPlace: (link) => isAttached(link, wanted, netns),
    program: () =>
      Program.loadRaw({
        ...(wanted.hook === 'sk_lookup' ? { type: 'SK_LOOKUP', expectedAttachType: 'SK_LOOKUP' } : { type: 'SCHED_CLS' }),
        name: wanted.name,
        instructions: patchConstant64(object.instructions(wanted.name), podCookieMark, netns.cookie),
        license: 'Dual BSD/GPL',
      }),
    attach: (program) => hang(program, wanted, netns, place ?? loopbackIndex),
  };
}

function hang(program: Program, { hook }: PodProgram, netns: NetnsTarget, interfaceIndex: number): Link {
  return hook === 'sk_lookup' ? program.attachNetns(netns) : inNetns(netns.fd, () => program.attachTcx(interfaceIndex, hook));
}

/** Whether a link that is pinned under the pod's name still hangs where it should. */
function isAttached(link: Link, { hook }: PodProgram, netns: NetnsTarget): boolean {
  const { target } = link.info();
  return hook === 'sk_lookup' ? target.kind === 'netns' && BigInt(target.inode) === netns.inode : target.kind === 'tcx';
}
