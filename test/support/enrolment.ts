import { existsSync } from 'node:fs';
import type { Counter, Event } from '../../src/abi/gen/index.ts';
import { eventSize, readEvent } from '../../src/abi/gen/index.ts';
import { FdPoller, Link, watchRing } from '../../src/kernel/index.ts';
import { redirectConfigFromAnnotations } from '../../src/pods/annotations.ts';
import type { RedirectConfig } from '../../src/pods/types.ts';
import type { DataPlane } from '../../src/redirect/ebpf/data-plane.ts';
import { viewNetns } from '../../src/redirect/ebpf/netns-view.ts';
import { ensureSpreadRoute } from '../../src/redirect/ebpf/spread-route.ts';
import type { PodFacts, PodTables } from '../../src/redirect/ebpf/tables.ts';
import { compileTables } from '../../src/redirect/ebpf/tables.ts';
import type { TestNetns } from './network.ts';

/** What a test wants of a pod besides the defaults: meshed, sk_lookup, no user namespace, IPv6 spread. */
export interface Enrolment extends Partial<Pick<PodFacts, 'backend' | 'meshed' | 'uidMap' | 'spread6'>> {
  readonly annotations?: Readonly<Record<string, string>>;
  readonly config?: Partial<RedirectConfig>;
}

/** The rows of a pod as the agent would write them. */
export function podTables(pod: TestNetns, wanted: Enrolment = {}): PodTables {
  const { annotations = {}, config = {}, ...facts } = wanted;
  return compileTables(
    {
      name: 'test/pod',
      cookie: pod.handle.cookie,
      ...viewNetns(pod.handle),
      backend: 'sk_lookup',
      meshed: true,
      uidMap: null,
      spread6: true,
      ...facts,
    },
    redirectConfigFromAnnotations('test/pod', annotations, config),
  );
}

/** Enrols a namespace as the agent does, or changes how it is enrolled. */
export async function enrolPod(plane: DataPlane, pod: TestNetns, wanted: Enrolment = {}): Promise<void> {
  if (wanted.spread6 !== false) {
    const problem = await ensureSpreadRoute(pod.path);
    if (problem !== null) throw new Error(problem);
  }
  await plane.enrol(pod.handle, podTables(pod, wanted));
}

/** Whether the pod's own sk_lookup program is pinned and hangs on that very namespace. */
export function isSteered(plane: DataPlane, pod: TestNetns): boolean {
  const path = plane.pins.link('mr_sk_lookup', pod.handle.cookie);
  if (!existsSync(path)) return false;
  using link = Link.open(path);
  const { target } = link.info();
  return target.kind === 'netns' && BigInt(target.inode) === pod.handle.inode;
}

/** What the kernel says of one pod through the ring, until this is closed. */
export function collectEvents(plane: DataPlane, pod: TestNetns): Disposable & { readonly events: readonly Event[] } {
  const events: Event[] = [];
  const poller = new FdPoller();
  const ring = watchRing(poller, plane.maps.events, (view, offset, length) => {
    if (length < eventSize) return;
    const event = readEvent(view, offset);
    if (event.cookie === pod.handle.cookie) events.push(event);
  });
  return {
    events,
    [Symbol.dispose]: () => {
      ring.close();
      poller.close();
    },
  };
}

/** How much one counter grows while `work` runs. */
export async function counted(plane: DataPlane, counter: keyof typeof Counter, work: () => Promise<unknown>): Promise<number> {
  const read = (): number => plane.counters()[counter.toLowerCase()] ?? 0;
  const before = read();
  await work();
  return read() - before;
}
