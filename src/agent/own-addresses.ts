import type { Endpoint, IpcacheKey } from '../abi/gen/index.ts';
import { formatIp, parseIp, unmapIp } from '../pods/address.ts';
import type { PolicyPod } from '../policy/types.ts';
import { ipcacheKey } from '../policy-tables/index.ts';

/** The tables in which an earlier agent left whose addresses are whose. */
interface AddressTables {
  readonly endpoints: { get(cookie: bigint): Endpoint | null };
  readonly ipcache: { get(key: IpcacheKey): { readonly identity: number } | null };
}

/**
 * Which addresses of a pod's namespace policy takes for the pod's own. Whoever may change that namespace (CAP_NET_ADMIN) can give it any address, also
 * another pod's or the node's: what a pod had when it was first seen stays its own, and what comes later is taken only for a family that it had no
 * address of, and only where nobody else has it. Pure.
 */
export function ownAddresses(seen: readonly string[], before: readonly string[], isTaken: (address: string) => boolean): readonly string[] {
  if (before.length === 0) return seen;
  const families = new Set(before.map(familyOf));
  return [...before, ...seen.filter((address) => !families.has(familyOf(address)) && !isTaken(address))];
}

/** What an earlier agent took for a pod's own; empty where none knew it. `seen`: what the namespace has now. */
export function addressesLeft({ endpoints, ipcache }: AddressTables, cookie: bigint, seen: readonly string[]): readonly string[] {
  const row = endpoints.get(cookie);
  if (row === null || row.identity === 0) return [];
  const first = [row.addr4, row.addr6]
    .filter((bytes) => bytes.some((byte) => byte !== 0))
    .map((bytes) => formatIp(unmapIp({ family: 6, bytes })));
  const known = seen.filter((address) => ipcache.get(ipcacheKey({ prefix: address }))?.identity === row.identity);
  return [...new Set([...first, ...known])];
}

/** Whether another pod, or a node, has an address. Pure. */
export function isOfOthers(
  address: string,
  self: string,
  pods: readonly PolicyPod[],
  nodes: readonly { readonly addresses: readonly string[] }[],
): boolean {
  return (
    pods.some(({ namespace, name, addresses }) => `${namespace}/${name}` !== self && addresses.includes(address)) ||
    nodes.some(({ addresses }) => addresses.includes(address))
  );
}

function familyOf(address: string): 4 | 6 | undefined {
  return parseIp(address)?.family;
}
