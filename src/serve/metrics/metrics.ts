import { Registry } from 'prom-client';
import type { FlowCounters } from '../../flow/counters.ts';
import type { RuleDirectory } from '../../flow/directory.ts';
import type { Flow } from '../../flow/types.ts';
import type { AgentSnapshot } from './agent-metrics.ts';
import { AgentMetrics } from './agent-metrics.ts';
import { HubbleMetrics } from './hubble-metrics.ts';

/** All metrics of one agent. */
export interface Metrics {
  /** The text that Prometheus reads, and its content type. */
  scrape(): Promise<{ readonly text: string; readonly contentType: string }>;
  /** Counts an HTTP or DNS flow: the callback of a flow service's `onMessage`. */
  seeMessage(flow: Flow): void;
  /** Notes how long a change of policy took, in seconds. */
  policyApplied(seconds: number): void;
  /** Names and help of all metrics, for the documentation. */
  describe(): Promise<
    readonly { readonly name: string; readonly help: string; readonly type: string; readonly labels: readonly string[] }[]
  >;
}

/** A registry of its own: nothing global, so that two agents in one process do not mix. */
export function createMetrics(options: {
  readonly counters: FlowCounters;
  readonly rules: RuleDirectory;
  readonly snapshot: () => Promise<AgentSnapshot> | AgentSnapshot;
  /** Events that found the kernel's ring full, since the start. */
  readonly lost: () => number;
}): Metrics {
  const registry = new Registry();
  const hubble = new HubbleMetrics({ registry, ...options });
  const agent = new AgentMetrics(registry, options.snapshot);
  return {
    scrape: async () => {
      hubble.collect();
      await agent.collect();
      return { text: await registry.metrics(), contentType: registry.contentType };
    },
    seeMessage: (flow) => hubble.see(flow),
    policyApplied: (seconds) => agent.policyApplied(seconds),
    describe: async () => {
      const labels = new Map(registry.getMetricsAsArray().map((metric) => [metric.name, labelsOf(metric)]));
      const described = await registry.getMetricsAsJSON();
      return described.map(({ name, help, type }) => ({ name, help, type: String(type), labels: labels.get(name) ?? [] }));
    },
  };
}

/** The library keeps them on every metric, but its types do not say so. */
function labelsOf(metric: object): readonly string[] {
  return 'labelNames' in metric && Array.isArray(metric.labelNames) ? metric.labelNames.map(String) : [];
}
