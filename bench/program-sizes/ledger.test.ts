import { describe, expect, test } from 'vitest';
import type { Ledger } from './ledger.ts';
import { counterOf, formatGrowth, incomparable, misfits, nextLedger, parseLedger, unacknowledged } from './ledger.ts';

const counter = { kernel: '6.18', clang: '14' };
const ledger: Ledger = { ...counter, programs: { a: { verified: 100, translated: 10 }, b: { verified: 1000, translated: 50 } } };
const size = (verified: number) => ({ verified, translated: 1 });

describe('ledger', () => {
  test('unacknowledged() lets a tenth pass and names what grew more', () => {
    expect(unacknowledged(ledger, { a: size(110), b: size(900) })).toEqual([]);
    expect(unacknowledged(ledger, { a: size(111), b: size(1000) })).toEqual([{ program: 'a', before: 100, after: 111 }]);
  });

  test('formatGrowth() says how to acknowledge it', () => {
    expect(formatGrowth([{ program: 'a', before: 100, after: 150 }])).toMatch(
      /^a: 100 → 150 .*\+50 %\)\n.*npm run ledger -- --write --because/,
    );
  });

  test('misfits() names what is missing, gone or over the limit', () => {
    expect(misfits(ledger, { a: size(1), b: size(1) })).toEqual([]);
    expect(misfits(ledger, { a: size(1_000_000), c: size(1) })).toEqual([
      'c is not in the ledger',
      'b is in the ledger and not in the object',
      expect.stringContaining('a takes the verifier 1000000'),
    ]);
  });

  test('incomparable() compares only counts of the same kernel and compiler', () => {
    expect(incomparable(ledger, counterOf('6.18.44-x', '14.0.6'))).toBeNull();
    expect(incomparable(ledger, counterOf('6.12.1', '14.0.6'))).toContain('6.12');
    expect(incomparable(ledger, counterOf('6.18.44-x', '19.1.0'))).toContain('clang 19');
  });

  test('nextLedger() keeps the reason with what grew when it is written', () => {
    const next = nextLedger(ledger, counter, { a: size(200), b: size(1000) }, 'more checks');
    expect(next.programs).toEqual({ a: { ...size(200), grewBecause: 'more checks' }, b: size(1000) });
    expect(nextLedger(next, counter, { a: size(200), b: size(1000) }, null).programs.a?.grewBecause).toBe('more checks');
    expect(parseLedger(JSON.stringify(next))).toEqual(next);
  });
});
