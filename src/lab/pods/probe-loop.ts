import type { Probe } from '../../manifests/types.ts';
import type { ProbeState } from '../plan/probe-state.ts';
import { freshProbe, observeProbe, probeIntervalMs } from '../plan/probe-state.ts';
import type { ProbeTarget } from './prober.ts';
import { runProbe } from './prober.ts';

/** Probes one running container until closed and tells about every change of the verdict. Owns its timer. */
export class ProbeLoop {
  readonly #stop = new AbortController();
  #state: ProbeState = freshProbe;
  #timer: NodeJS.Timeout;

  constructor(probe: Probe, purpose: 'readiness' | 'liveness', target: ProbeTarget, onVerdict: (verdict: 'success' | 'failure') => void) {
    const attempt = async () => {
      const ok = await runProbe(probe.action, target, probe.timeoutSeconds * 1000, this.#stop.signal);
      if (this.#stop.signal.aborted) return;
      const before = this.#state.verdict;
      this.#state = observeProbe(this.#state, ok, probe);
      const { verdict } = this.#state;
      this.#timer = setTimeout(attempt, probeIntervalMs(this.#state, probe.periodSeconds, purpose));
      if (verdict !== before && verdict !== 'unknown') onVerdict(verdict);
    };
    // A readiness probe without a delay starts soon, not at once: the server has not even been executed yet.
    const first =
      probe.initialDelaySeconds > 0 ? probe.initialDelaySeconds * 1000 : purpose === 'readiness' ? 30 : probe.periodSeconds * 1000;
    this.#timer = setTimeout(attempt, first);
  }

  close(): void {
    this.#stop.abort();
    clearTimeout(this.#timer);
  }
}
