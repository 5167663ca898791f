import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseIp } from '../pods/address.ts';
import { NumberAllocator } from './allocator.ts';
import { matchesFqdn } from './fqdn.ts';
import { cidrLabel, isIdentityLabel } from './labels.ts';
import { inPortPrefix, portPrefixes } from './ports.ts';
import { PrefixMap, rangeContains, rangeOf } from './prefix-map.ts';
import { mergeItems } from './rows.ts';
import { selectorKey } from './selectors.ts';

const port = fc.nat({ max: 65535 });

describe('portPrefixes()', () => {
  it('covers exactly the range when it is any range', () => {
    fc.assert(
      fc.property(port, port, port, (a, b, probe) => {
        const [first, last] = [Math.min(a, b), Math.max(a, b)];
        const prefixes = portPrefixes(first, last);
        expect(prefixes.length).toBeLessThanOrEqual(30);
        for (const wanted of [probe, first, last, first - 1, last + 1].filter((item) => item >= 0 && item <= 65535)) {
          expect(prefixes.filter((prefix) => inPortPrefix(prefix, wanted)).length).toBe(wanted >= first && wanted <= last ? 1 : 0);
        }
      }),
    );
  });

  it('is one prefix when the range is one port or every port, and 30 at worst', () => {
    expect(portPrefixes(80, 80)).toEqual([{ port: 80, bits: 16 }]);
    expect(portPrefixes(0, 65535)).toEqual([{ port: 0, bits: 0 }]);
    expect(portPrefixes(1, 65534)).toHaveLength(30);
  });
});

describe('PrefixMap', () => {
  it('longest() finds the narrowest range when several hold the address, of its family alone', () => {
    const map = new PrefixMap<string>();
    for (const text of ['0.0.0.0/0', '10.0.0.0/8', '10.0.0.0/15', '10.1.2.3/32', '2001:db8::/33', '::/0']) map.set(rangeOf(text), text);
    const longest = (text: string) => {
      const ip = parseIp(text);
      if (ip === null) throw new Error(text);
      return map.longest(ip);
    };
    expect(['10.1.2.3', '10.0.9.9', '10.2.0.1', '11.0.0.1', '2001:db8::1', '2001:db8:8000::1'].map(longest)).toEqual([
      '10.1.2.3/32',
      '10.0.0.0/15',
      '10.0.0.0/8',
      '0.0.0.0/0',
      '2001:db8::/33',
      '::/0',
    ]);
    map.delete(rangeOf('10.1.2.3/32'));
    expect(longest('10.1.2.3')).toBe('10.0.0.0/15');
    expect(map.covering(rangeOf('10.1.0.0/16'))).toEqual(['10.0.0.0/15', '10.0.0.0/8', '0.0.0.0/0']);
  });

  it('covering() answers what rangeContains() answers for each range when ranges are arbitrary', () => {
    const range = fc
      .tuple(fc.constantFrom('10.0.0.0', '10.0.0.1', '10.0.1.0', '10.128.0.0', '192.0.0.0'), fc.nat({ max: 32 }))
      .map(([ip, bits]) => rangeOf(`${ip}/${bits}`));
    fc.assert(
      fc.property(fc.array(range), range, (ranges, wanted) => {
        const map = new PrefixMap<string>();
        const text = (cidr: typeof wanted) => `${cidr.address.join('.')}/${cidr.prefix}`;
        for (const cidr of ranges) map.set(cidr, text(cidr));
        const expected = new Set(ranges.filter((cidr) => rangeContains(cidr, wanted)).map(text));
        expect(new Set(map.covering(wanted))).toEqual(expected);
      }),
    );
  });
});

describe('mergeItems()', () => {
  it('gives each row the strongest of all items that cover it when items overlap in any way', () => {
    const item = fc
      .record({
        protocol: fc.constantFrom(0, 6, 17),
        first: fc.constantFrom(0, 64, 80, 96),
        bits: fc.constantFrom(0, 9, 10, 11, 12, 16),
        tier: fc.nat({ max: 2 }),
        rank: fc.nat({ max: 2 }),
        action: fc.integer({ min: 1, max: 4 }),
        rule: fc.integer({ min: 1, max: 9 }),
      })
      .map(({ protocol, first, bits, tier, rank, action, rule }) => {
        const length = protocol === 0 ? 0 : bits;
        return {
          protocol,
          port: length === 0 ? 0 : (first >>> (16 - length)) << (16 - length),
          bits: length,
          tier,
          cell: { precedence: rank * 256 + action, rule },
        };
      });
    fc.assert(
      fc.property(
        fc.array(item, { minLength: 1, maxLength: 8 }),
        fc.constantFrom(6, 17, 1),
        fc.integer({ min: 60, max: 100 }),
        (items, protocol, wanted) => {
          const covers = (row: { protocol: number; port: number }, bits: number) =>
            row.protocol === 0 || (row.protocol === protocol && inPortPrefix({ port: row.port, bits }, wanted));
          const rows = mergeItems(items).filter((row) => covers(row, row.portBits));
          const [longest] = rows.sort((a, b) => (b.protocol === 0 ? -1 : b.portBits) - (a.protocol === 0 ? -1 : a.portBits));
          for (const tier of [0, 1, 2] as const) {
            const best = Math.max(
              0,
              ...items.filter((one) => one.tier === tier && covers(one, one.bits)).map(({ cell }) => cell.precedence),
            );
            expect(longest?.tiers[tier].precedence ?? 0).toBe(best);
          }
        },
      ),
      { numRuns: 1000 },
    );
  });
});

describe('matchesFqdn()', () => {
  it.each([
    ['name', 'a.b', 'a.b', true],
    ['name', 'a.b', 'x.a.b', false],
    ['pattern', '*', 'a.b.c', true],
    ['pattern', '*.b.c', 'a.b.c', true],
    ['pattern', '*.b.c', 'b.c', false],
    ['pattern', '*.b.c', 'x.a.b.c', false],
    ['pattern', '**.b.c', 'x.a.b.c', true],
    ['pattern', '**.b.c', 'a.b.c', true],
    ['pattern', '**.b.c', 'b.c', false],
    ['pattern', 'a*z.b', 'az.b', true],
    ['pattern', 'a*z.b', 'amz.b', true],
    ['pattern', 'a*z.b', 'am.z.b', false],
    ['pattern', 'a*b*c', 'axxbxxc', true],
    ['pattern', 'a*b*c', 'axxc', false],
    ['pattern', 'ab*ba', 'aba', false],
    ['pattern', 'a.b', 'a.b', true],
  ] as const)('matchesFqdn() of %s %s and %s is %s', (match, text, name, expected) => {
    expect(matchesFqdn({ match, text }, name)).toBe(expected);
  });
});

describe('isIdentityLabel()', () => {
  it.each([
    ['app', true],
    ['app.kubernetes.io/name', true],
    ['io.kubernetes.pod.namespace', true],
    ['io.cilium.k8s.policy.serviceaccount', true],
    ['io.kubernetes.container.name', false],
    ['kubernetes.io/hostname', false],
    ['example.com/kubernetes.io', true],
    ['topology.kubernetes.io/zone', false],
    ['beta.kubernetes.io/arch', false],
    ['k8s.io/cluster', false],
    ['pod-template-hash', false],
    ['controller-revision-hash', false],
    ['controller-uid', false],
    ['batch.kubernetes.io/controller-uid', false],
    ['batch.kubernetes.io/job-completion-index', false],
    ['statefulset.kubernetes.io/pod-name', false],
    ['apps.kubernetes.io/pod-index', false],
    ['annotation.x', false],
    ['etcd_node', false],
  ])('isIdentityLabel() of %s is %s', (key, expected) => expect(isIdentityLabel(key)).toBe(expected));
});

describe('cidrLabel()', () => {
  it('writes no colons, and no empty part at an end', () => {
    expect(['10.0.0.0/8', '2001:db8::/32', '::1/128', '::/0'].map(cidrLabel)).toEqual([
      'cidr:10.0.0.0/8',
      'cidr:2001-db8--0/32',
      'cidr:0--1/128',
      'cidr:0--0/0',
    ]);
  });
});

describe('selectorKey()', () => {
  it('differs when values could be read as one another', () => {
    const key = (...values: string[]) => selectorKey([{ source: 'any', key: 'a', operator: 'In', values }]);
    const keys = [key('b c'), key('b', 'c'), key('b 1 c'), key('b', '1', 'c'), key('b\nc')];
    expect(new Set(keys).size).toBe(keys.length);
    expect(key('c', 'b')).toBe(key('b', 'c'));
  });
});

describe('NumberAllocator', () => {
  it('numberOf() gives a freed number only after all others, and throws when none is left', () => {
    const allocator = new NumberAllocator(1, 3, 'a thing');
    expect([allocator.numberOf('a'), allocator.numberOf('b'), allocator.numberOf('a')]).toEqual([1, 2, 1]);
    allocator.free('a');
    expect([allocator.numberOf('c'), allocator.numberOf('d')]).toEqual([3, 1]);
    expect(() => allocator.numberOf('e')).toThrow(/Cannot number a thing because all numbers are taken: current value 3/);
  });
});
