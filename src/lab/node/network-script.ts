import type { PodAddresses } from '../plan/addresses.ts';
import { labNetwork } from '../plan/addresses.ts';

/** The node's end of every pod's pair; one address for all, because each pod sees only its own. */
const gatewayMac = '02:00:a9:fe:01:01';

/**
 * Commands for `ip -batch` in the pod: its loopback, its end of the pair (the other end appears in the node), addresses and routes.
 * Neighbours are permanent, so that no ARP or ND delays the first packet.
 */
export function podNetworkBatch(pod: PodAddresses, nodePid: number, ipv6: boolean): string {
  const lines = [
    'link set lo up',
    `link add eth0 address ${pod.mac} type veth peer name ${pod.nodeInterface} address ${gatewayMac} netns ${nodePid}`,
    `addr add ${pod.ipv4}/32 dev eth0`,
    ...(ipv6 ? [`addr add ${pod.ipv6}/128 dev eth0 nodad`] : []),
    'link set eth0 up',
    `neigh add ${labNetwork.gateway4} lladdr ${gatewayMac} dev eth0 nud permanent`,
    `route add default via ${labNetwork.gateway4} dev eth0 onlink`,
  ];
  if (ipv6) {
    lines.push(
      `neigh add ${labNetwork.gateway6} lladdr ${gatewayMac} dev eth0 nud permanent`,
      `route add default via ${labNetwork.gateway6} dev eth0 onlink`,
    );
  }
  return `${lines.join('\n')}\n`;
}

/** Commands for `ip -batch` in the node: bring the pod's pair up and route its addresses to it. */
export function nodeSideBatch(pod: PodAddresses, ipv6: boolean): string {
  const lines = [
    `link set ${pod.nodeInterface} addrgenmode none up`,
    `neigh add ${pod.ipv4} lladdr ${pod.mac} dev ${pod.nodeInterface} nud permanent`,
    `route add ${pod.ipv4}/32 dev ${pod.nodeInterface}`,
  ];
  if (ipv6) {
    lines.push(
      `neigh add ${pod.ipv6} lladdr ${pod.mac} dev ${pod.nodeInterface} nud permanent`,
      `route add ${pod.ipv6}/128 dev ${pod.nodeInterface}`,
    );
  }
  return `${lines.join('\n')}\n`;
}

/**
 * Commands for `ip -batch` in the node itself (on lo, because small kernels have no dummy devices): its own addresses, the name server's, one that stands for the outside, and a route that
 * refuses virtual addresses which nobody translated, so that such a SYN fails at once and does not wander.
 */
export function nodeNetworkBatch(ipv6: boolean): string {
  const lines = [
    'link set lo up',
    `addr add ${labNetwork.nodeAddress4}/32 dev lo`,
    `addr add ${labNetwork.dnsAddress}/32 dev lo`,
    `addr add ${labNetwork.externalAddress4}/32 dev lo`,
    ...(ipv6 ? [`addr add ${labNetwork.nodeAddress6}/128 dev lo nodad`, `addr add ${labNetwork.externalAddress6}/128 dev lo nodad`] : []),
    `route add unreachable ${labNetwork.serviceCidr}`,
  ];
  return `${lines.join('\n')}\n`;
}
