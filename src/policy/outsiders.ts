import { formatIp, parseIp, unmapIp } from '../pods/address.ts';
import { matchesFqdn } from './fqdn.ts';
import type { Outside } from './identity.ts';
import type { Interests } from './interests.ts';
import { apiServerAddresses } from './services.ts';
import type { PolicyCluster } from './types.ts';

/** Addresses that are known by more than a range: names that DNS gave them and a policy asks for, the API server. By canonical text. */
export function outsiders(cluster: PolicyCluster, interests: Interests): ReadonlyMap<string, Outside> {
  const found = new Map<string, { readonly range: Outside['range']; readonly fqdns: Map<string, string>; apiServer: boolean }>();
  const at = (address: string) => {
    const parsed = parseIp(address);
    if (parsed === null) return null;
    const ip = unmapIp(parsed);
    const text = formatIp(ip);
    let outside = found.get(text);
    if (outside === undefined) {
      outside = { range: interests.rangeMap.longest(ip) ?? null, fqdns: new Map(), apiServer: false };
      found.set(text, outside);
    }
    return outside;
  };
  for (const address of apiServerAddresses(cluster.services)) {
    const outside = at(address);
    if (outside !== null) outside.apiServer = true;
  }
  if (interests.fqdns.size === 0) return found;
  const selectors = [...interests.fqdns.values()];
  for (const [name, addresses] of cluster.names) {
    const matching = selectors.filter((selector) => matchesFqdn(selector, name));
    if (matching.length === 0) continue;
    for (const address of addresses) {
      const outside = at(address);
      for (const { key, text } of matching) outside?.fqdns.set(key, text);
    }
  }
  return found;
}
