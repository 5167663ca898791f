import { RangeFlags } from '../../abi/gen/index.ts';
import { cidrContains, formatCidr } from '../../pods/address.ts';
import type { Cidr, RedirectConfig } from '../../pods/types.ts';

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
export function compileRanges(config: RedirectConfig, ownAddresses: readonly Cidr[]): readonly RangeRow[] {
  const wanted: RangeRow[] = [
    { cidr: loopback4, flags: RangeFlags.LOCAL },
    { cidr: loopback6, flags: RangeFlags.LOCAL | RangeFlags.LOOPBACK },
    { cidr: config.loopback, flags: RangeFlags.LOOPBACK },
    ...ownAddresses.map((cidr) => ({ cidr, flags: RangeFlags.LOCAL })),
    ...config.outboundRangesExcluded.map((cidr) => ({ cidr, flags: RangeFlags.EXCLUDE })),
    ...(config.outboundRanges.kind === 'only' ? config.outboundRanges.cidrs.map((cidr) => ({ cidr, flags: RangeFlags.INCLUDE })) : []),
  ];
  const rows = new Map<string, RangeRow>();
  for (const { cidr } of wanted) {
    const flags = wanted.reduce((sum, other) => (contains(other.cidr, cidr) ? sum | other.flags : sum), 0);
    rows.set(formatCidr(cidr), { cidr, flags });
  }
  return [...rows.values()];
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
