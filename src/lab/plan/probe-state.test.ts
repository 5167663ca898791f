import { expect, test } from 'vitest';
import type { ProbeState } from './probe-state.ts';
import { freshProbe, observeProbe, probeIntervalMs } from './probe-state.ts';

const thresholds = { successThreshold: 2, failureThreshold: 3 };

function after(results: readonly boolean[]): ProbeState {
  return results.reduce((state, ok) => observeProbe(state, ok, thresholds), freshProbe);
}

test.each([
  [[], 'unknown'],
  [[true], 'unknown'],
  [[true, true], 'success'],
  [[true, false, true], 'unknown'],
  [[false, false], 'unknown'],
  [[false, false, false], 'failure'],
  [[true, true, false, false], 'success'],
  [[true, true, false, false, false], 'failure'],
  [[true, true, false, true, false, false], 'success'],
  [[false, false, false, true, true], 'success'],
] as const)('observeProbe() after %j says %s when 2 successes or 3 failures in a row are needed', (results, verdict) => {
  expect(after(results).verdict).toBe(verdict);
});

test('probeIntervalMs() is short for readiness only until the first success', () => {
  expect(probeIntervalMs(after([false]), 10, 'readiness')).toBe(100);
  expect(probeIntervalMs(after([true, true]), 10, 'readiness')).toBe(10_000);
  expect(probeIntervalMs(after([false]), 10, 'liveness')).toBe(10_000);
});
