import { RangeFlags } from '../../abi/gen/index.ts';
import type { IpAddress } from '../../pods/address.ts';
import { cidrContains, formatCidr } from '../../pods/address.ts';
import type { Cidr, RedirectConfig } from '../../pods/types.ts';
import type { NetnsView } from './netns-view.ts';

/** One prefix of a pod's address table and everything that is configured for addresses in it. */
export interface RangeRow {
  readonly cidr: Cidr;
  /** RangeFlags, OR'ed. */
  readonly flags: number;
}

const loopback4: Cidr = { family: 4, address: Uint8Array.of(127, 0, 0, 0), prefix: 8 };
const loopback6: Cidr = { family: 6, address: Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1), prefix: 128 };

/**
 * The longest-prefix table for one pod: its own addresses, loopback, and the include and exclude lists. The kernel finds one prefix only, so
 * every row carries the flags of all configured ranges around it; an exclude of /8 then still beats an include of /16 inside it.
 */
export function compileRanges(
  config: RedirectConfig,
  view: Pick<NetnsView, 'localAddresses' | 'interfaces' | 'routes'>,
): readonly RangeRow[] {
  const leavesAlone = excludedRoutes(config, view);
  const wanted: RangeRow[] = [
    { cidr: loopback4, flags: RangeFlags.LOCAL },
    { cidr: loopback6, flags: RangeFlags.LOCAL | RangeFlags.LOOPBACK },
    { cidr: config.loopback, flags: RangeFlags.LOOPBACK },
    ...view.localAddresses.map((address) => ({ cidr: hostRange(address), flags: RangeFlags.LOCAL })),
    ...config.outboundRangesExcluded.map((cidr) => ({ cidr, flags: RangeFlags.EXCLUDE })),
    ...(config.outboundRanges.kind === 'only' ? config.outboundRanges.cidrs.map((cidr) => ({ cidr, flags: RangeFlags.INCLUDE })) : []),
    ...(config.dns.kind === 'servers' ? config.dns.servers.map((cidr) => ({ cidr, flags: RangeFlags.DNS_SERVER })) : []),
    // routes matter only where an interface is left alone; a row then says which way its own addresses leave
    ...(leavesAlone === null ? [] : view.routes.map(({ cidr }) => ({ cidr, flags: 0 }))),
  ];
  const rows = new Map<string, RangeRow>();
  for (const { cidr } of wanted) {
    const flags = wanted.reduce((sum, other) => (contains(other.cidr, cidr) ? sum | other.flags : sum), 0);
    rows.set(formatCidr(cidr), { cidr, flags: leavesAlone?.(cidr) === true ? flags | RangeFlags.EXCLUDED_ROUTE : flags });
  }
  return [...rows.values()];
}

/**
 * Whether a prefix is routed through an interface that is left alone (the longest route around it decides); null when none is. Policy routing is
 * not looked at: a socket that is bound to an interface is decided by that, in the kernel.
 */
function excludedRoutes(config: RedirectConfig, view: Pick<NetnsView, 'interfaces' | 'routes'>): ((cidr: Cidr) => boolean) | null {
  const excluded = new Set(config.excludeInterfaces.map((name) => view.interfaces.get(name)));
  if (!view.routes.some(({ interfaceIndex }) => excluded.has(interfaceIndex))) return null;
  return (cidr) => {
    const around = view.routes.filter((route) => contains(route.cidr, cidr)).sort((a, b) => b.cidr.prefix - a.cidr.prefix);
    return excluded.has(around[0]?.interfaceIndex);
  };
}

function hostRange(address: IpAddress): Cidr {
  return { family: address.family, address: address.bytes, prefix: address.family === 4 ? 32 : 128 };
}

/** Whether an include range lies in loopback, which makes the applications' own loopback traffic go to the proxy (contract O4). */
export function includesLoopback(config: RedirectConfig): boolean {
  if (config.outboundRanges.kind !== 'only') return false;
  return config.outboundRanges.cidrs.some((cidr) => contains(loopback4, cidr) || contains(loopback6, cidr));
}

function contains(outer: Cidr, inner: Cidr): boolean {
  return (
    outer.family === inner.family && outer.prefix <= inner.prefix && cidrContains(outer, { family: inner.family, bytes: inner.address })
  );
}
