import { expect, test } from 'vitest';
import { restartDelayMs, shouldRestart } from './back-off.ts';

test('restartDelayMs() is 0, then doubles from 0.5 s to 30 s when a container goes on failing', () => {
  expect([0, 1, 2, 3, 6, 7, 8, 1000].map(restartDelayMs)).toEqual([0, 500, 1000, 2000, 16_000, 30_000, 30_000, 30_000]);
});

test.each([
  ['Always', 0, true],
  ['Always', 1, true],
  ['OnFailure', 0, false],
  ['OnFailure', 137, true],
  ['Never', 1, false],
] as const)('shouldRestart() with %s and exit code %i is %s', (policy, exitCode, expected) => {
  expect(shouldRestart(policy, exitCode)).toBe(expected);
});
