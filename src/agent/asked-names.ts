import { cidrContains, parseCidr, parseIp } from '../pods/address.ts';
import { specialRanges } from '../pods/special-ranges.ts';
import { matchesFqdn } from '../policy/fqdn.ts';
import type { Peer, Policy, PolicyCluster } from '../policy/types.ts';

type FqdnPeer = Extract<Peer, { kind: 'fqdn' }>;

/** What no name outside of a cluster stands for. */
const never = specialRanges.flatMap((text) => parseCidr(text) ?? []);

/** Which names policies ask for. Looks through a list of policies once; a cluster's is long. */
export class AskedNames {
  #policies: readonly Policy[] = [];
  #selectors: readonly FqdnPeer[] = [];

  /** Whether a toFQDNs (or domainNames) of a valid one of the policies means a name in canonical form. */
  includes(name: string, policies: readonly Policy[]): boolean {
    if (policies !== this.#policies) {
      this.#selectors = selectorsOf(policies);
      this.#policies = policies;
    }
    return this.#selectors.some((selector) => matchesFqdn(selector, name));
  }
}

function selectorsOf(policies: readonly Policy[]): readonly FqdnPeer[] {
  const found = new Map<string, FqdnPeer>();
  for (const { sections, problems } of policies) {
    if (problems.length > 0) continue;
    for (const { rules } of sections) {
      for (const { peers } of rules) {
        if (peers.kind === 'everybody') continue;
        for (const peer of peers.peers) if (peer.kind === 'fqdn') found.set(`${peer.match} ${peer.text}`, peer);
      }
    }
  }
  return [...found.values()];
}

/** Those of the addresses that are outside of the cluster: a name never stands for pods, nodes or services (contract 2.2). */
export function outsideOf(
  { pods, nodes, services }: Pick<PolicyCluster, 'pods' | 'nodes' | 'services'>,
  addresses: readonly string[],
): readonly string[] {
  const left = new Set(addresses);
  for (const address of addresses) {
    const ip = parseIp(address);
    if (ip === null || never.some((range) => cidrContains(range, ip))) left.delete(address);
  }
  for (const { addresses: inside } of pods) for (const address of inside) left.delete(address);
  for (const { addresses: inside } of nodes) for (const address of inside) left.delete(address);
  for (const { clusterIPs } of services) for (const address of clusterIPs) left.delete(address);
  return [...left];
}
