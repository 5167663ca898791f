import { describe, expect, it } from 'vitest';
import { growth } from './growth.ts';
import { failureText, idle, rowsOf } from './report.ts';
import type { Trial } from './types.ts';

const trial = (change: Partial<Trial>): Trial => ({
  name: 'peek',
  route: 'direct',
  family: 4,
  seed: 7,
  expectation: 'must',
  bytes: null,
  differences: [],
  ...change,
});

describe('rowsOf()', () => {
  it('adds up runs, failures and bytes by case and route, and keeps the first failure', () => {
    const failed = trial({ seed: 8, differences: ['x'] });
    const rows = rowsOf([trial({ bytes: 5 }), failed, trial({ bytes: 6 }), trial({ route: 'proxied' })]);
    expect(rows.map(({ route, runs, failed, bytes }) => [route, runs, failed, bytes])).toEqual([
      ['direct', 3, 1, 11],
      ['proxied', 1, 0, null],
    ]);
    expect(rows[0]?.first).toBe(failed);
  });
});

describe('idle()', () => {
  it('finds the rows that should have gone by sockmap and did not, where that was looked at', () => {
    const rows = rowsOf([
      trial({ name: 'a', bytes: 63 }),
      trial({ name: 'b', bytes: 0 }),
      trial({ name: 'b', bytes: 64 }),
      trial({ name: 'c', bytes: 0, expectation: 'may' }),
      trial({ name: 'd' }),
    ]);
    expect(idle(rows).map(({ name }) => name)).toEqual(['a']);
  });
});

describe('failureText()', () => {
  it('names the case, the route and the seed, and shows what differs', () => {
    expect(failureText(trial({ differences: ['plain TCP: 1', 'accelerated: 2'] }))).toBe(
      'peek (direct, IPv4, seed 7):\n    plain TCP: 1\n    accelerated: 2',
    );
  });
});

describe('growth()', () => {
  const before = { proxyMemory: 10_000, ownMemory: 1, rows: { accelerated: 0 } };

  it('allows what a busy moment explains', () => {
    expect(growth(before, { proxyMemory: 30_000, ownMemory: 1e9, rows: { accelerated: 64 } })).toEqual([]);
  });

  it('names what is larger than that', () => {
    expect(growth(before, { proxyMemory: 60_000, ownMemory: 1, rows: { accelerated: 65 } })).toEqual([
      "the proxies' memory grew from 10000 to 60000 KiB",
      'the table accelerated grew from 0 to 65 rows',
    ]);
  });
});
