import { PodFlags } from '../../abi/gen/index.ts';
import type { PodTables } from './tables.ts';

/** What makes a pod redirected at all. */
const redirecting = PodFlags.OUTBOUND | PodFlags.INBOUND_LOOKUP | PodFlags.INBOUND_BIND;

/**
 * The rows of a pod for which the tables have no room: one row that sends every TCP connection from and to it to the proxy, and names nobody
 * as the proxy, so that all are refused. Pure. Null when the pod is not redirected by programs: then nothing is open that should not be.
 */
export function closedTables({ cookie, pod }: PodTables): PodTables | null {
  const kept = pod.flags & redirecting;
  if (kept === 0) return null;
  return {
    cookie,
    pod: {
      ...pod,
      flags: kept | PodFlags.OUTBOUND_ALL | PodFlags.INBOUND_ALL | PodFlags.IPV6,
      uidCount: 0,
      gidCount: 0,
      uids: pod.uids.map(() => 0),
      gids: pod.gids.map(() => 0),
      dnsPort: 0,
      excludedInterfaces: pod.excludedInterfaces.map(() => 0),
      reroutedInterfaces: pod.reroutedInterfaces.map(() => 0),
    },
    ranges: [],
    ports: [],
    groups: [],
    interfaces: [],
    addresses: [],
  };
}

/** Whether a pod's row is one of those. */
export function isClosed(pod: PodTables['pod']): boolean {
  return (pod.flags & redirecting) !== 0 && pod.uidCount === 0 && pod.gidCount === 0;
}
