import { describe, expect, it } from 'vitest';
import { LearnedNames, nameLimits } from './learned-names.ts';

function learned(start = 1_000_000): { readonly names: LearnedNames; readonly pass: (milliseconds: number) => void } {
  let now = start;
  const names = new LearnedNames(() => now);
  const pass = (milliseconds: number): void => {
    now += milliseconds;
  };
  return { names, pass };
}

const { shortestMs, longestMs, graceMs, addressesPerName, addresses: most } = nameLimits;
const addressesOf = (names: LearnedNames) => Object.fromEntries(names.names);
const address = (number: number) => `203.0.${number >> 8}.${number & 255}`;

describe('LearnedNames', () => {
  it('learn() keeps an address for its TTL and the grace period, and expire() forgets it then', () => {
    const { names, pass } = learned();
    names.learn('api.example.com', ['203.0.113.1'], 600);
    pass(600_000 + graceMs - 1);
    expect(names.expire()).toBe(false);
    expect(addressesOf(names)).toEqual({ 'api.example.com': ['203.0.113.1'] });
    pass(1);
    expect(names.expire()).toBe(true);
    expect(addressesOf(names)).toEqual({});
    expect(names.expire()).toBe(false);
  });

  it.each([
    ['at least the shortest', 0, shortestMs],
    ['at most the longest', 0xffff_ffff, longestMs],
  ])('learn() keeps an address for %s time', (_what, ttl, expected) => {
    const { names, pass } = learned();
    names.learn('api.example.com', ['203.0.113.1'], ttl);
    pass(expected + graceMs - 1);
    expect(names.expire()).toBe(false);
    pass(1);
    expect(names.expire()).toBe(true);
  });

  it('learn() adds the addresses of one more answer, prolongs those that it repeats and never shortens one', () => {
    const { names, pass } = learned();
    names.learn('api.example.com', ['203.0.113.1', '203.0.113.2'], 600);
    pass(500_000);
    names.learn('api.example.com', ['203.0.113.2', '203.0.113.3'], 1);
    names.learn('api.example.com', ['203.0.113.3'], 600);
    pass(100_000 + graceMs);
    names.expire();
    expect(addressesOf(names)).toEqual({ 'api.example.com': ['203.0.113.3'] });
  });

  it('names is the same object, with the same lists, until an address comes or goes', () => {
    const { names } = learned();
    names.learn('a.example.com', ['203.0.113.1'], 60);
    const before = names.names;
    names.learn('a.example.com', ['203.0.113.1'], 600);
    expect(names.names).toBe(before);
    names.learn('b.example.com', ['203.0.113.2'], 60);
    expect(names.names).not.toBe(before);
    expect(names.names.get('a.example.com')).toBe(before.get('a.example.com'));
  });

  it('learn() keeps only so many addresses of a name, and lets those go that were answered longest ago', () => {
    const { names } = learned();
    for (let number = 0; number < addressesPerName; number += 1) names.learn('pool.example.com', [address(number)], 60);
    names.learn('pool.example.com', [address(0)], 60);
    names.learn('pool.example.com', [address(1000)], 60);
    const kept = names.names.get('pool.example.com');
    expect(kept).toHaveLength(addressesPerName);
    expect(kept).toContain(address(0));
    expect(kept).not.toContain(address(1));
    names.learn(
      'huge.example.com',
      Array.from({ length: 4096 }, (_, number) => address(number)),
      60,
    );
    expect(names.names.get('huge.example.com')).toHaveLength(addressesPerName);
  });

  it('learn() keeps only so many addresses in all, whatever a pod asks for, and lets those go that were answered longest ago', () => {
    const { names } = learned();
    names.learn('quiet.example.com', ['203.0.113.1'], 60);
    names.learn('used.example.com', ['203.0.113.2'], 60);
    for (let number = 0; number < most * 2; number += 1) {
      names.learn(`x${number}.example.com`, ['203.0.113.3'], 60);
      if (number % 100 === 0) names.learn('used.example.com', ['203.0.113.2'], 60);
    }
    expect(names.count).toBe(most);
    expect([...names.names.values()].flat()).toHaveLength(most);
    expect(names.names.has('quiet.example.com')).toBe(false);
    expect(names.names.has('used.example.com')).toBe(true);
  });

  it('restore() takes over what list() told, without what has ended meanwhile or lasts longer than anything can', () => {
    const first = learned();
    first.names.learn('short.example.com', ['203.0.113.1'], 60);
    first.names.learn('long.example.com', ['203.0.113.2', '2001:db8::2'], 3600);
    const next = learned(1_000_000 + shortestMs + graceMs);
    next.names.restore([...first.names.list(), { name: 'odd.example.com', address: '203.0.113.9', untilMs: Number.MAX_SAFE_INTEGER }]);
    expect(addressesOf(next.names)).toEqual({ 'long.example.com': ['203.0.113.2', '2001:db8::2'], 'odd.example.com': ['203.0.113.9'] });
    next.pass(longestMs + graceMs);
    next.names.expire();
    expect(addressesOf(next.names)).toEqual({});
  });
});
