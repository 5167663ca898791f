import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Cleanup } from '../../src/base/cleanup.ts';
import { silentLogger } from '../../src/base/log.ts';
import { bpfObjectPath } from '../../src/base/project.ts';
import { defaultRedirectConfig } from '../../src/pods/annotations.ts';
import { DataPlane } from '../../src/redirect/ebpf/data-plane.ts';
import { fromRedirectConfig } from '../../src/redirect/iptables/from-redirect-config.ts';
import { applyRules } from '../../src/redirect/iptables/index.ts';
import { enrolPod } from '../../test/support/enrolment.ts';
import type { TestNetns } from '../../test/support/network.ts';
import { createPodNetwork } from '../../test/support/network.ts';
import { createBenchNode } from '../support/bench-node.ts';

/**
 * How connections reach the proxy: `direct` and `own address` without anybody's help, to a loopback address or to that of the pod, which its
 * kernel finds slower; `iptables` by Istio's rules; `ebpf` by our programs.
 */
export const configurationNames = ['direct', 'own address', 'iptables', 'ebpf'] as const;
export type ConfigurationName = (typeof configurationNames)[number];

export type Family = 'IPv4' | 'IPv6';
export const families: readonly Family[] = ['IPv4', 'IPv6'];

/** A pod of one configuration, ready for a proxy and an application. */
export interface Configuration {
  readonly name: ConfigurationName;
  readonly netns: TestNetns;
  readonly cgroup: string;
  /** Whether somebody redirects, so that the proxy must be told where a connection was going. */
  readonly redirected: boolean;
  /** Where the application connects to. */
  target(family: Family): { readonly address: string; readonly port: number };
  /** Forgets what connections of earlier measurements have left in the kernel. */
  forget(): void;
}

/** All configurations side by side, each in a pod of its own. */
export interface Configurations extends AsyncDisposable {
  readonly plane: DataPlane;
  readonly all: readonly Configuration[];
}

/** Outside of every network: nobody answers there but a proxy. */
const elsewhere = { IPv4: '203.0.113.5', IPv6: '2001:db8::5' } as const;
/** What nobody redirects: loopback, and the pod's own address, over the same interface (test/support/network.ts). */
const here = {
  direct: { IPv4: '127.0.0.1', IPv6: '::1' },
  'own address': { IPv4: '10.9.0.2', IPv6: 'fd00:9::2' },
} as const;
export const proxyPort = 15001;

/** Makes the pods, enrols them, and gives back what holds them. Needs root. */
export async function createConfigurations(): Promise<Configurations> {
  const cleanup = new Cleanup();
  try {
    const node = cleanup.use(await createBenchNode());
    const plane = cleanup.use(
      await DataPlane.open({ elf: readFileSync(bpfObjectPath()), cgroup: node.pods, pins: node.pins, log: silentLogger }),
    );
    const all: Configuration[] = [];
    for (const name of configurationNames) {
      const netns = cleanup.use(await createPodNetwork()).pod;
      plainLives(netns);
      if (name === 'iptables') await applyRules({ netns: netns.path }, fromRedirectConfig(defaultRedirectConfig));
      if (name === 'ebpf') await enrolPod(plane, netns);
      all.push({
        name,
        netns,
        cgroup: name === 'ebpf' ? node.pods : node.plain,
        redirected: name === 'iptables' || name === 'ebpf',
        target: (family) =>
          name === 'direct' || name === 'own address'
            ? { address: here[name][family], port: proxyPort }
            : { address: elsewhere[family], port: 80 },
        forget: () => {
          if (name === 'iptables') inside(netns, ['conntrack', '--flush']);
        },
      });
    }
    return { plane, all, [Symbol.asyncDispose]: () => cleanup[Symbol.asyncDispose]() };
  } catch (error) {
    await cleanup[Symbol.asyncDispose]();
    throw error;
  }
}

/**
 * Many connections to one destination within seconds: no socket stays in TIME_WAIT, and all ports may be used. It is the same for every
 * configuration, and concerns only the pod's own namespace.
 */
function plainLives(netns: TestNetns): void {
  const set = 'echo 0 > /proc/sys/net/ipv4/tcp_max_tw_buckets && echo "1024 65535" > /proc/sys/net/ipv4/ip_local_port_range';
  inside(netns, ['sh', '-c', set]);
}

function inside(netns: TestNetns, command: readonly string[]): void {
  execFileSync('nsenter', [`--net=${netns.path}`, '--', ...command], { stdio: ['ignore', 'ignore', 'pipe'] });
}
