import { describe, expect, test } from 'vitest';
import { quantile, rotated, spreadOf } from './statistics.ts';

describe('statistics', () => {
  test('quantile() gives a value that was measured when the rank falls between two', () => {
    expect(quantile([4, 1, 3, 2], 0.5)).toBe(2);
    expect(quantile([5, 1, 100, 2, 3], 0.5)).toBe(3);
    expect(quantile([5, 1, 100, 2, 3], 0.99)).toBe(100);
    expect(quantile([10, 9], 0)).toBe(9);
  });

  test('spreadOf() orders by number when digits differ', () => {
    expect(spreadOf([9, 10, 100])).toEqual({ median: 10, lowest: 9, highest: 100 });
    expect(spreadOf([]).median).toBeNaN();
  });

  test('rotated() begins with another item when the round changes', () => {
    const rounds = [0, 1, 2, 3].map((round) => rotated(['a', 'b', 'c'], round).join(''));
    expect(rounds).toEqual(['abc', 'bca', 'cab', 'abc']);
  });
});
