import type { ScratchNetns } from '../../src/conformance/network.ts';
import { createNetns, ipBatch, joinByLink } from '../../src/conformance/network.ts';

export type { ScratchNetns as TestNetns } from '../../src/conformance/network.ts';

/** A pod and a host outside of it, joined by one link: 10.9.0.2 (and .22, fd00:9::2) to 10.9.0.1 (fd00:9::1). */
export interface PodNetwork extends Disposable {
  readonly pod: ScratchNetns;
  readonly outside: ScratchNetns;
}

export async function createPodNetwork(): Promise<PodNetwork> {
  const pod = await createNetns();
  const outside = await createNetns();
  joinByLink(
    { netns: outside, name: 'eth0', addresses: ['10.9.0.1/24', 'fd00:9::1/64'] },
    { netns: pod, name: 'eth0', addresses: ['10.9.0.2/24', '10.9.0.22/24', 'fd00:9::2/64'] },
  );
  pod.ip(ipBatch('addr add ::6/128 dev lo', 'route add default via 10.9.0.1', 'route add default via fd00:9::1'));
  return {
    pod,
    outside,
    [Symbol.dispose]: () => {
      pod[Symbol.dispose]();
      outside[Symbol.dispose]();
    },
  };
}
