import { execFileSync } from 'node:child_process';
import { Cleanup } from '../../src/base/cleanup.ts';
import { redirectConfigFromAnnotations } from '../../src/pods/annotations.ts';
import type { RedirectConfig } from '../../src/pods/types.ts';
import { applyRules } from '../../src/redirect/iptables/apply.ts';
import { fromRedirectConfig } from '../../src/redirect/iptables/from-redirect-config.ts';
import type { Enrolment } from './enrolment.ts';
import { enrolPod } from './enrolment.ts';
import type { PodNetwork, TestNetns } from './network.ts';
import { createPodNetwork } from './network.ts';
import type { Listener } from './tcp.ts';
import { listen, proxy, root } from './tcp.ts';
import type { TestNode } from './test-node.ts';
import { createTestNode } from './test-node.ts';

/** Who redirects the pod under attack. */
export type Redirector = 'ebpf' | 'iptables';
export const redirectors: readonly Redirector[] = ['ebpf', 'iptables'];

/** A meshed pod with a stand-in proxy and a host outside of it, which answers `real` on port 80 of every address it has. */
export interface Arena extends AsyncDisposable {
  readonly node: TestNode;
  readonly network: PodNetwork;
  readonly outbound: Listener;
  readonly inbound: Listener;
}

/** The outside host's own names for servers beyond it. */
export const server = '203.0.113.5';
export const server6 = '2001:db8::5';

/** Builds the pod and its surroundings; `config` goes to both redirectors alike, `enrolment` to eBPF alone. */
export async function createArena(
  redirector: Redirector,
  options: { readonly config?: Partial<RedirectConfig>; readonly enrolment?: Enrolment; readonly withoutProxy?: boolean } = {},
): Promise<Arena> {
  const cleanup = new Cleanup();
  try {
    const node = cleanup.use(await createTestNode());
    const network = cleanup.use(await createPodNetwork());
    network.outside.ip(`addr add ${server}/32 dev lo\naddr add ${server6}/128 dev lo nodad\n`);
    const config = redirectConfigFromAnnotations('test/pod', {}, options.config ?? {});
    if (redirector === 'ebpf') await enrolPod(node.plane, network.pod, { ...options.enrolment, config });
    else await applyRules({ netns: network.pod.path }, fromRedirectConfig(config));
    const quiet: Listener = { name: 'none', accepted: [], [Symbol.asyncDispose]: () => Promise.resolve() };
    const withProxy = options.withoutProxy !== true;
    const outbound = withProxy ? cleanup.use(await listen(network.pod, proxy, 'outbound', '[::]:15001', { dual: true })) : quiet;
    const inbound = withProxy ? cleanup.use(await listen(network.pod, proxy, 'inbound', '[::]:15006', { dual: true })) : quiet;
    cleanup.use(await listen(network.outside, root, 'real', '[::]:80', { dual: true }));
    return { node, network, outbound, inbound, [Symbol.asyncDispose]: () => cleanup[Symbol.asyncDispose]() };
  } catch (error) {
    await cleanup[Symbol.asyncDispose]();
    throw error;
  }
}

/** Runs a program inside a namespace to its end, as root, and gives its output. Throws when it fails. */
export function runInside(netns: TestNetns, ...command: readonly string[]): string {
  return execFileSync('nsenter', [`--net=${netns.path}`, '--', ...command], { encoding: 'utf8' });
}
