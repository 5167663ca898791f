import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RangeFlags, rangeKeyCodec } from '../../abi/gen/index.ts';
import type { IpAddress } from '../../pods/address.ts';
import { cidrContains, cidrOf, formatCidr, formatIp, parseCidr, parseIp } from '../../pods/address.ts';
import { defaultRedirectConfig } from '../../pods/annotations.ts';
import type { Cidr, RedirectConfig } from '../../pods/types.ts';
import { compileRanges, includesLoopback } from './ranges.ts';
import { compileTables } from './tables.ts';

type View = Parameters<typeof compileRanges>[1];

const nowhere: View = {
  addresses: [],
  localAddresses: [],
  secondaries: [],
  interfaceAddresses: [],
  forwarding: false,
  interfaces: new Map(),
  routes: [],
};

function cidr(text: string): Cidr {
  const parsed = parseCidr(text);
  if (parsed === null) throw new Error(`no range: ${text}`);
  return parsed;
}

function ip(text: string): IpAddress {
  const parsed = parseIp(text);
  if (parsed === null) throw new Error(`no address: ${text}`);
  return parsed;
}

/** The flags of each row, by range. */
function rows(config: Partial<RedirectConfig>, view: Partial<View> = {}): Record<string, number> {
  const compiled = compileRanges({ ...defaultRedirectConfig, ...config }, { ...nowhere, ...view });
  return Object.fromEntries(compiled.map((row) => [formatCidr(row.cidr), row.flags]));
}

const { LOCAL, LOOPBACK, INCLUDE, EXCLUDE, DNS_SERVER, EXCLUDED_ROUTE } = RangeFlags;

describe('compileRanges()', () => {
  it('has loopback and nothing else when nothing is configured', () => {
    expect(rows({})).toEqual({ '127.0.0.0/8': LOCAL, '::1/128': LOCAL | LOOPBACK, '127.0.0.1/32': LOCAL | LOOPBACK });
  });

  it('marks the pod’s own addresses as local, also when a list covers them', () => {
    const own = [ip('10.9.0.2'), ip('fd00:9::2')];
    const table = rows({ outboundRanges: { kind: 'only', cidrs: [cidr('10.0.0.0/8')] } }, { localAddresses: own });
    expect(table).toMatchObject({ '10.9.0.2/32': LOCAL | INCLUDE, 'fd00:9::2/128': LOCAL, '10.0.0.0/8': INCLUDE });
  });

  it('lets a short exclude reach into a longer include when they overlap, and the reverse', () => {
    const table = rows({
      outboundRanges: { kind: 'only', cidrs: [cidr('10.96.0.0/16'), cidr('0.0.0.0/0')] },
      outboundRangesExcluded: [cidr('10.0.0.0/8'), cidr('10.96.5.0/24')],
    });
    expect(table).toMatchObject({
      '10.96.0.0/16': INCLUDE | EXCLUDE,
      '10.96.5.0/24': INCLUDE | EXCLUDE,
      '10.0.0.0/8': INCLUDE | EXCLUDE,
      '0.0.0.0/0': INCLUDE,
      '127.0.0.0/8': LOCAL | INCLUDE,
    });
  });

  it('has one row with both flags when a range is included and excluded', () => {
    const range = cidr('198.51.100.0/24');
    expect(rows({ outboundRanges: { kind: 'only', cidrs: [range, range] }, outboundRangesExcluded: [range] })['198.51.100.0/24']).toBe(
      INCLUDE | EXCLUDE,
    );
  });

  it('keeps the families apart when a range is everything', () => {
    const table = rows({ outboundRangesExcluded: [cidr('0.0.0.0/0')] });
    expect(table['::1/128']).toBe(LOCAL | LOOPBACK);
    expect(rows({ outboundRangesExcluded: [cidr('::/0')] })['127.0.0.1/32']).toBe(LOCAL | LOOPBACK);
  });

  it('widens what is never redirected when the loopback range is wider', () => {
    expect(rows({ loopback: cidr('127.0.0.1/8') })['127.0.0.0/8']).toBe(LOCAL | LOOPBACK);
  });

  it('marks what leaves by an interface that is left alone, by the longest route, when there is one', () => {
    const routes = [
      { cidr: cidr('0.0.0.0/0'), interfaceIndex: 2, source: null },
      { cidr: cidr('10.8.0.0/24'), interfaceIndex: 3, source: null },
      { cidr: cidr('10.8.0.128/25'), interfaceIndex: 2, source: null },
    ];
    const interfaces = new Map([
      ['eth0', 2],
      ['net1', 3],
    ]);
    const view = { routes, interfaces };
    expect(rows({ excludeInterfaces: ['net1'], outboundRangesExcluded: [cidr('10.8.0.7/32')] }, view)).toMatchObject({
      '0.0.0.0/0': 0,
      '10.8.0.0/24': EXCLUDED_ROUTE,
      '10.8.0.128/25': 0,
      '10.8.0.7/32': EXCLUDE | EXCLUDED_ROUTE,
    });
    expect(rows({ excludeInterfaces: ['net9'] }, view)).not.toHaveProperty('10.8.0.0/24');
  });

  it('says from which address each range is reached, by the longest route, when there is more than one', () => {
    const routes = [
      { cidr: cidr('0.0.0.0/0'), interfaceIndex: 2, source: ip('10.9.0.2') },
      { cidr: cidr('10.8.0.0/24'), interfaceIndex: 3, source: ip('10.8.0.2') },
    ];
    const view = { ...nowhere, addresses: [ip('10.9.0.2'), ip('10.8.0.2')], routes };
    const compiled = compileRanges({ ...defaultRedirectConfig, outboundRangesExcluded: [cidr('10.8.0.7/32'), cidr('192.0.2.0/24')] }, view);
    const sources = Object.fromEntries(compiled.map((row) => [formatCidr(row.cidr), row.source === null ? null : formatIp(row.source)]));
    expect(sources).toMatchObject({ '0.0.0.0/0': null, '10.8.0.0/24': '10.8.0.2', '10.8.0.7/32': '10.8.0.2', '192.0.2.0/24': null });
    expect(compileRanges(defaultRedirectConfig, { ...view, routes: routes.slice(0, 1) })).toHaveLength(3);
  });
});

describe('includesLoopback()', () => {
  it.each([
    ['127.0.0.0/8', true],
    ['127.0.0.1/32', true],
    ['::1/128', true],
    ['10.0.0.0/8', false],
    ['0.0.0.0/0', false],
    ['::/0', false],
  ])('of %s is %s', (text, expected) => {
    expect(includesLoopback({ ...defaultRedirectConfig, outboundRanges: { kind: 'only', cidrs: [cidr(text)] } })).toBe(expected);
  });

  it('is false when every range is included', () => {
    expect(includesLoopback(defaultRedirectConfig)).toBe(false);
  });
});

/** Addresses from a narrow choice of bytes, so that ranges and addresses meet. */
const address: fc.Arbitrary<IpAddress> = fc.oneof(
  fc.tuple(fc.constantFrom(10, 127, 192), fc.constantFrom(0, 96), fc.constantFrom(0, 5), fc.constantFrom(1, 6, 128)).map((bytes) => ({
    family: 4 as const,
    bytes: Uint8Array.from(bytes),
  })),
  fc.tuple(fc.constantFrom(0, 0xfd), fc.constantFrom(0, 9), fc.constantFrom(1, 2, 0x80)).map(([first, middle, last]) => {
    const bytes = new Uint8Array(16);
    bytes[0] = first;
    bytes[7] = middle;
    bytes[15] = last;
    return { family: 6 as const, bytes };
  }),
);
const range = fc.tuple(address, fc.nat(128)).map(([ip, bits]) => cidrOf(ip, Math.min(bits, ip.bytes.length * 8)));
const ranges = fc.array(range, { maxLength: 6 });

/** What the kernel's LPM trie finds: the row with the most leading bits in common, as far as its prefix goes. */
function longestPrefix(tables: ReturnType<typeof compileTables>, ip: IpAddress): number {
  const bytesOf = (key: Parameters<typeof rangeKeyCodec.write>[2]): Uint8Array => {
    const bytes = new Uint8Array(rangeKeyCodec.size);
    rangeKeyCodec.write(new DataView(bytes.buffer), 0, key);
    return bytes.subarray(4);
  };
  const mapped = ip.family === 6 ? ip.bytes : Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...ip.bytes);
  const wanted = bytesOf({ prefixlen: 224, family: ip.family, cookie: tables.cookie, addr: mapped });
  let best = { prefixlen: -1, flags: 0 };
  for (const [key, { flags }] of tables.ranges) {
    const bytes = bytesOf(key);
    const matches = Array.from({ length: key.prefixlen }).every((_, bit) => {
      const mask = 0x80 >> (bit & 7);
      return ((bytes[bit >> 3] ?? 0) & mask) === ((wanted[bit >> 3] ?? 0) & mask);
    });
    if (matches && key.prefixlen > best.prefixlen) best = { prefixlen: key.prefixlen, flags };
  }
  return best.flags;
}

describe('the range table', () => {
  it('gives every address the union of all lists that contain it when it is asked for the longest prefix', () => {
    fc.assert(
      fc.property(
        ranges,
        ranges,
        ranges,
        fc.array(address, { maxLength: 4 }),
        fc.array(address, { minLength: 1 }),
        (include, exclude, servers, own, asked) => {
          const loopback = cidr('127.0.0.1/32');
          const config: RedirectConfig = {
            ...defaultRedirectConfig,
            loopback,
            outboundRanges: { kind: 'only', cidrs: include },
            outboundRangesExcluded: exclude,
            dns: { kind: 'servers', port: 15053, servers },
          };
          const facts = { ...nowhere, name: 'p', cookie: 0x0123456789abcdefn, addresses: own, localAddresses: own } as const;
          const tables = compileTables({ ...facts, backend: 'sk_lookup', meshed: true, uidMap: null, spread6: true }, config);
          const union = (ip: IpAddress): number => {
            const inside = (list: readonly Cidr[]): boolean => list.some((one) => cidrContains(one, ip));
            let flags = 0;
            if (inside([cidr('127.0.0.0/8'), cidr('::1/128'), ...own.map((one) => cidrOf(one, one.bytes.length * 8))])) flags |= LOCAL;
            if (inside([loopback, cidr('::1/128')])) flags |= LOOPBACK;
            if (inside(include)) flags |= INCLUDE;
            if (inside(exclude)) flags |= EXCLUDE;
            if (inside(servers)) flags |= DNS_SERVER;
            return flags;
          };
          for (const ip of [...asked, ...own])
            expect(longestPrefix(tables, ip), formatCidr(cidrOf(ip, ip.bytes.length * 8))).toBe(union(ip));
        },
      ),
      { numRuns: 400 },
    );
  });
});
