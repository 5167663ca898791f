import { RangeFlags } from '../../abi/gen/index.ts';
import type { IpAddress } from '../../pods/address.ts';
import { cidrContains, formatCidr, formatIp } from '../../pods/address.ts';
import type { Cidr, RedirectConfig } from '../../pods/types.ts';
import type { NetnsView } from './netns-view.ts';

/** One prefix of a pod's address table and everything that is configured for addresses in it. */
export interface RangeRow {
  readonly cidr: Cidr;
  /** RangeFlags, OR'ed. */
  readonly flags: number;
  /** The address that connections there are made from; null: the pod's primary one, or for an address of its own that one. */
  readonly source: IpAddress | null;
}

const loopback4: Cidr = { family: 4, address: Uint8Array.of(127, 0, 0, 0), prefix: 8 };
const loopback6: Cidr = { family: 6, address: Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1), prefix: 128 };

/**
 * The longest-prefix table for one pod: its own addresses, loopback, and the include and exclude lists. The kernel finds one prefix only, so
 * every row carries the flags of all configured ranges around it; an exclude of /8 then still beats an include of /16 inside it.
 */
export function compileRanges(config: RedirectConfig, view: NetnsView): readonly RangeRow[] {
  const ways = routing(config, view);
  const wanted: readonly { readonly cidr: Cidr; readonly flags: number }[] = [
    { cidr: loopback4, flags: RangeFlags.LOCAL },
    { cidr: loopback6, flags: RangeFlags.LOCAL | RangeFlags.LOOPBACK },
    { cidr: config.loopback, flags: RangeFlags.LOOPBACK },
    ...view.localAddresses.map((address) => ({ cidr: hostRange(address), flags: RangeFlags.LOCAL })),
    ...config.outboundRangesExcluded.map((cidr) => ({ cidr, flags: RangeFlags.EXCLUDE })),
    ...(config.outboundRanges.kind === 'only' ? config.outboundRanges.cidrs.map((cidr) => ({ cidr, flags: RangeFlags.INCLUDE })) : []),
    ...(config.dns.kind === 'servers' ? config.dns.servers.map((cidr) => ({ cidr, flags: RangeFlags.DNS_SERVER })) : []),
    ...(ways === null ? [] : view.routes.map(({ cidr }) => ({ cidr, flags: 0 }))),
  ];
  const primaries = new Map(view.secondaries.map(({ address, primary }) => [formatCidr(hostRange(address)), primary]));
  const rows = new Map<string, RangeRow>();
  for (const { cidr } of wanted) {
    const listed = wanted.reduce((sum, other) => (contains(other.cidr, cidr) ? sum | other.flags : sum), 0);
    const way = ways?.(cidr) ?? straight;
    rows.set(formatCidr(cidr), {
      cidr,
      flags: way.excluded ? listed | RangeFlags.EXCLUDED_ROUTE : listed,
      source: primaries.get(formatCidr(cidr)) ?? way.source,
    });
  }
  return [...rows.values()];
}

/** How a prefix is reached: whether by an interface that is left alone, and from which address, where that is not the primary one. */
interface Way {
  readonly excluded: boolean;
  readonly source: IpAddress | null;
}

const straight: Way = { excluded: false, source: null };

/**
 * The way of a prefix, which is that of the longest route around it; null where all routes are alike, so that most pods need no rows for them.
 * Policy routing is not looked at: a socket that is bound to an interface is decided by that, in the kernel.
 */
function routing(config: RedirectConfig, view: NetnsView): ((cidr: Cidr) => Way) | null {
  const excluded = new Set(config.excludeInterfaces.map((name) => view.interfaces.get(name)));
  const ways = view.routes.map((route) => ({
    cidr: route.cidr,
    excluded: excluded.has(route.interfaceIndex),
    source: isPrimary(route.source, view) ? null : route.source,
  }));
  if (ways.every((way) => !way.excluded && way.source === null)) return null;
  ways.sort((a, b) => b.cidr.prefix - a.cidr.prefix);
  return (cidr) => ways.find((way) => contains(way.cidr, cidr)) ?? straight;
}

function isPrimary(source: IpAddress | null, view: NetnsView): boolean {
  const primary = view.addresses.find(({ family }) => family === source?.family);
  return source === null || (primary !== undefined && formatIp(primary) === formatIp(source));
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
