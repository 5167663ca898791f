import { expect, test } from 'vitest';
import { isAtLeast } from './probe-machine.ts';

test('isAtLeast() compares major before minor', () => {
  expect(['v0.8', 'v1.0', 'v1.1', 'v1.10.2', 'v2.0', 'nonsense'].map((version) => isAtLeast(version, 1, 1))).toEqual([
    false,
    false,
    true,
    true,
    true,
    false,
  ]);
});
