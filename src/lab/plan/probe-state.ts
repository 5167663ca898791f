/** Where a probe stands: counts of equal results in a row and the verdict they led to. */
export interface ProbeState {
  readonly successes: number;
  readonly failures: number;
  readonly verdict: 'unknown' | 'success' | 'failure';
}

export const freshProbe: ProbeState = { successes: 0, failures: 0, verdict: 'unknown' };

/** The state after one more result. The verdict flips only after as many equal results in a row as the thresholds ask for. */
export function observeProbe(
  state: ProbeState,
  ok: boolean,
  thresholds: { readonly successThreshold: number; readonly failureThreshold: number },
): ProbeState {
  if (ok) {
    const successes = state.successes + 1;
    return { successes, failures: 0, verdict: successes >= thresholds.successThreshold ? 'success' : state.verdict };
  }
  const failures = state.failures + 1;
  return { successes: 0, failures, verdict: failures >= thresholds.failureThreshold ? 'failure' : state.verdict };
}

/**
 * Milliseconds until the next attempt. Until the first success a readiness probe is tried every 100 ms instead of every period (but not
 * before its initial delay): waiting a whole period for a server that needs 0.2 s would make every start slow.
 */
export function probeIntervalMs(state: ProbeState, periodSeconds: number, purpose: 'readiness' | 'liveness'): number {
  const period = periodSeconds * 1000;
  return purpose === 'readiness' && state.verdict !== 'success' && state.failures < 600 ? Math.min(100, period) : period;
}
