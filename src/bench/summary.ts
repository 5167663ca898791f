import type { Spread } from './statistics.ts';
import { spreadOf } from './statistics.ts';
import type { BenchReport, Bucket, Configuration, MetricName, Sample, Scenario, StreamSample, StreamScenario } from './types.ts';
import { metricNames } from './types.ts';

export type MetricSpreads = Readonly<Record<MetricName, Spread>>;

/** One configuration of a scenario over all rounds. */
export interface ConfigurationSummary {
  readonly configuration: string;
  readonly values: MetricSpreads;
  /** Each metric divided by that of the other configuration in the same round; null where the other was not measured, and for itself. */
  readonly over: { readonly iptables: MetricSpreads | null; readonly none: MetricSpreads | null };
  readonly requests: number;
  readonly failed: number;
  /** Of all rounds together, by latency. */
  readonly histogram: readonly Bucket[];
}

export interface ScenarioSummary {
  readonly scenario: Scenario;
  readonly configurations: readonly ConfigurationSummary[];
}

/** One configuration of a stream over all rounds. */
export interface StreamSummary {
  readonly scenario: StreamScenario;
  readonly configurations: readonly {
    readonly configuration: string;
    readonly gigabits: Spread;
    /** Divided, round by round, by the way without acceleration: `none` for direct streams, `ebpf` through a proxy. */
    readonly overPlain: Spread | null;
  }[];
}

export interface BenchSummary {
  readonly scenarios: readonly ScenarioSummary[];
  readonly streams: readonly StreamSummary[];
}

/** Medians and ratios. Ratios are taken within a round, then their spread over the rounds: what slows a whole round down cancels out. */
export function summarize(report: Pick<BenchReport, 'configurations' | 'scenarios' | 'streams'>): BenchSummary {
  const { configurations } = report;
  return {
    scenarios: report.scenarios.map(({ scenario, samples }) => ({
      scenario,
      configurations: named(configurations, samples).map((name) => summaryOf(name, samples)),
    })),
    streams: report.streams.map(({ scenario, samples }) => ({
      scenario,
      configurations: named(configurations, samples).map((name) => streamSummary(name, scenario, samples)),
    })),
  };
}

function named(configurations: readonly Configuration[], samples: readonly { readonly configuration: string }[]): readonly string[] {
  return configurations.map(({ name }) => name).filter((name) => samples.some(({ configuration }) => configuration === name));
}

function summaryOf(name: string, samples: readonly Sample[]): ConfigurationSummary {
  const own = samples.filter(({ configuration }) => configuration === name);
  return {
    configuration: name,
    values: spreads((metric) => own.map(({ metrics }) => metrics[metric])),
    over: { iptables: ratios(own, samples, 'iptables'), none: ratios(own, samples, 'none') },
    requests: own.reduce((sum, { requests }) => sum + requests, 0),
    failed: own.reduce((sum, { failed }) => sum + failed, 0),
    histogram: merged(own.map(({ histogram }) => histogram)),
  };
}

function spreads(valuesOf: (metric: MetricName) => readonly number[]): MetricSpreads {
  const entries = metricNames.map((metric) => [metric, spreadOf(valuesOf(metric).filter(Number.isFinite))] as const);
  return Object.fromEntries(entries) as Record<MetricName, Spread>;
}

function ratios(own: readonly Sample[], all: readonly Sample[], base: string): MetricSpreads | null {
  const others = all.filter(({ configuration }) => configuration === base);
  if (others.length === 0 || own[0]?.configuration === base) return null;
  return spreads((metric) => paired(own, others, ({ metrics }) => metrics[metric]));
}

/** Quotients of what belongs to the same round. */
function paired<S extends { readonly round: number }>(
  own: readonly S[],
  others: readonly S[],
  value: (sample: S) => number,
): readonly number[] {
  return own.flatMap((sample) => {
    const other = others.find(({ round }) => round === sample.round);
    return other === undefined || value(other) === 0 ? [] : [value(sample) / value(other)];
  });
}

function streamSummary(name: string, { way }: StreamScenario, samples: readonly StreamSample[]): StreamSummary['configurations'][number] {
  const own = samples.filter(({ configuration }) => configuration === name);
  const base = way === 'direct' ? 'none' : 'ebpf';
  const others = samples.filter(({ configuration }) => configuration === base);
  return {
    configuration: name,
    gigabits: spreadOf(own.map(({ gigabits }) => gigabits)),
    overPlain: others.length === 0 || name === base ? null : spreadOf(paired(own, others, ({ gigabits }) => gigabits)),
  };
}

/** The buckets of several histograms in one, by their bounds. */
export function merged(histograms: readonly (readonly Bucket[])[]): readonly Bucket[] {
  const counts = new Map<number, number>();
  for (const { until, count } of histograms.flat()) counts.set(until, (counts.get(until) ?? 0) + count);
  return [...counts].sort(([a], [b]) => a - b).map(([until, count]) => ({ until, count }));
}
