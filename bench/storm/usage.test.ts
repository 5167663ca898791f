import { expect, test } from 'vitest';
import type { Usage } from './usage.ts';
import { growthOf } from './usage.ts';

const before: Usage = { entries: { mr_handovers: 0 }, mapBytes: { mr_sockets: 4096 }, descriptors: 30, residentKiB: 90_000, sockets: 2 };

test('growthOf() names everything that did not come back', () => {
  expect(growthOf(before, before)).toEqual([]);
  expect(growthOf(before, { ...before, residentKiB: 95_000, descriptors: 29 })).toEqual([]);
  const after = { entries: { mr_handovers: 3 }, mapBytes: { mr_sockets: 8192 }, descriptors: 31, residentKiB: 200_000, sockets: 9 };
  expect(growthOf(before, after)).toEqual([
    'entries of mr_handovers: 0 → 3',
    'bytes of mr_sockets: 4096 → 8192',
    'descriptors of the agent: 30 → 31',
    'KiB of the agent: 90000 → 200000',
    'sockets of the pods: 2 → 9',
  ]);
});
