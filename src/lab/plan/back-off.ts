/**
 * Restart delays. Kubernetes waits 10 s, 20 s … 5 min; the lab keeps the shape on a scale for people at a terminal: at once, then
 * 0.5 s, 1 s, 2 s … 30 s.
 */
export const restartBackOff = { firstMs: 500, capMs: 30_000, resetAfterMs: 60_000 } as const;

/** Milliseconds to wait before restart number `restarts` + 1 (0: the first one). */
export function restartDelayMs(restarts: number): number {
  if (restarts <= 0) return 0;
  return Math.min(restartBackOff.firstMs * 2 ** Math.min(restarts - 1, 30), restartBackOff.capMs);
}

/** Whether a container that ran this long and then ended starts again with no back-off. */
export function backOffIsReset(ranForMs: number): boolean {
  return ranForMs >= restartBackOff.resetAfterMs;
}

/** Whether a container that ended is started again, by the pod's restartPolicy. */
export function shouldRestart(policy: 'Always' | 'OnFailure' | 'Never', exitCode: number): boolean {
  return policy === 'Always' || (policy === 'OnFailure' && exitCode !== 0);
}
