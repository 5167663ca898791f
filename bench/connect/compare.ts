import type { Spread } from '../../src/bench/statistics.ts';
import { spreadOf } from '../../src/bench/statistics.ts';
import type { ConfigurationName, Family } from './configurations.ts';
import { configurationNames, families } from './configurations.ts';
import type { Layout, Sample } from './measure.ts';

/** One configuration over all rounds. Microseconds; the spread is over the rounds' values. */
export interface ConfigurationResult {
  readonly configuration: ConfigurationName;
  readonly median: Spread;
  readonly mean: Spread;
  readonly p99: Spread;
  readonly connections: number;
  readonly failed: number;
}

/** What one family cost in one layout. Differences and ratios are taken within a round, then their spread over the rounds. */
export interface FamilyResult {
  readonly layout: Layout['name'];
  readonly family: Family;
  readonly configurations: readonly ConfigurationResult[];
  /** ebpf divided by iptables; below 1 is cheaper. */
  readonly overIptables: Spread;
  /** ebpf less iptables, µs. */
  readonly lessIptables: Spread;
  /** ebpf less direct, µs. */
  readonly lessDirect: Spread;
  /** ebpf less a connection to the pod's own address, µs. */
  readonly lessOwnAddress: Spread;
  /** iptables less direct, µs. */
  readonly iptablesLessDirect: Spread;
}

/** Groups samples by layout and family. Pure. */
export function compare(samples: readonly Sample[]): readonly FamilyResult[] {
  const layouts = [...new Set(samples.map(({ layout }) => layout))];
  return layouts.flatMap((layout) =>
    families.map((family) =>
      compareFamily(
        layout,
        family,
        samples.filter((sample) => sample.layout === layout && sample.family === family),
      ),
    ),
  );
}

function compareFamily(layout: Layout['name'], family: Family, samples: readonly Sample[]): FamilyResult {
  const of = (name: ConfigurationName) => samples.filter(({ configuration }) => configuration === name);
  const paired = (a: ConfigurationName, b: ConfigurationName, relation: (a: number, b: number) => number) =>
    spreadOf(
      of(a).flatMap(({ round, median }) => {
        const other = of(b).find((sample) => sample.round === round);
        return other === undefined ? [] : [relation(median, other.median)];
      }),
    );
  const difference = (a: number, b: number) => a - b;
  return {
    layout,
    family,
    configurations: configurationNames.map((configuration) => summary(configuration, of(configuration))),
    overIptables: paired('ebpf', 'iptables', (a, b) => a / b),
    lessIptables: paired('ebpf', 'iptables', difference),
    lessDirect: paired('ebpf', 'direct', difference),
    lessOwnAddress: paired('ebpf', 'own address', difference),
    iptablesLessDirect: paired('iptables', 'direct', difference),
  };
}

function summary(configuration: ConfigurationName, samples: readonly Sample[]): ConfigurationResult {
  return {
    configuration,
    median: spreadOf(samples.map(({ median }) => median)),
    mean: spreadOf(samples.map(({ mean }) => mean)),
    p99: spreadOf(samples.map(({ p99 }) => p99)),
    connections: samples.reduce((sum, sample) => sum + sample.connections, 0),
    failed: samples.reduce((sum, sample) => sum + sample.failed, 0),
  };
}
