import { formatIp, parseCidrOrIp, parseIp, unmapIp } from '../pods/address.ts';
import type { Cidr } from '../pods/types.ts';
import { probeAddresses } from './inhabitants.ts';
import { apiServerAddresses } from './services.ts';
import type { PolicyCluster, PolicyNode, PolicyPod } from './types.ts';

/** Whoever has an address, as people think of it: no identities and no tables. */
export type Party =
  | { readonly kind: 'pod'; readonly pod: PolicyPod; readonly address: Cidr }
  /** The node that policy is for, whichever of its addresses speaks. */
  | { readonly kind: 'host'; readonly nodes: readonly PolicyNode[]; readonly addresses: readonly Cidr[]; readonly apiServer: boolean }
  | { readonly kind: 'node'; readonly node: PolicyNode; readonly address: Cidr; readonly apiServer: boolean }
  | { readonly kind: 'outside'; readonly address: Cidr; readonly names: readonly string[]; readonly apiServer: boolean };

/** Who has this address: a pod, then a node, else somebody outside. Throws a plain Error where the text is no address. */
export function partyOf(text: string, cluster: PolicyCluster): Party {
  const address = parseCidrOrIp(text);
  const ip = parseIp(text);
  if (address === null || ip === null) throw new Error(`not an address: ${text}`);
  const canonical = formatIp(unmapIp(ip));
  const pod = cluster.pods.find(({ hostNetwork, addresses }) => !hostNetwork && addresses.includes(canonical));
  if (pod !== undefined) return { kind: 'pod', pod, address };
  const apiServer = apiServerAddresses(cluster.services);
  const nodes = [...cluster.nodes, ...cluster.pods.filter(({ hostNetwork }) => hostNetwork).map(asNode)];
  const own = nodes.filter(({ local }) => local);
  if (probeAddresses.includes(canonical) || own.some(({ addresses }) => addresses.includes(canonical))) {
    const texts = own.flatMap(({ addresses }) => addresses);
    return {
      kind: 'host',
      nodes: own,
      addresses: texts.flatMap((item) => parseCidrOrIp(item) ?? []),
      apiServer: texts.some((item) => apiServer.has(item)),
    };
  }
  const node = nodes.find(({ local, addresses }) => !local && addresses.includes(canonical));
  if (node !== undefined) return { kind: 'node', node, address, apiServer: apiServer.has(canonical) };
  const names = [...cluster.names].filter(([, addresses]) => addresses.includes(canonical)).map(([name]) => name);
  return { kind: 'outside', address, names, apiServer: apiServer.has(canonical) };
}

/** A pod on the host network tells of its node's address. */
function asNode({ name, addresses, local }: PolicyPod): PolicyNode {
  return { name, labels: {}, addresses, local };
}
