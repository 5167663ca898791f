import { metricTexts } from './metrics.ts';
import type { Spread } from './statistics.ts';
import type { ConfigurationSummary, StreamSummary } from './summary.ts';
import type { MetricName } from './types.ts';
import { metricNames } from './types.ts';

/** A column of a table, for the terminal and for Markdown. */
export interface BenchColumn<Row> {
  readonly title: string;
  readonly value: (row: Row) => string;
  readonly align: 'left' | 'right';
}

const dash = '-';

/** What each configuration measured: the medians of the rounds. */
export const valueColumns: readonly BenchColumn<ConfigurationSummary>[] = [
  { title: 'CONFIGURATION', value: ({ configuration }) => configuration, align: 'left' },
  ...metricNames.map(
    (name): BenchColumn<ConfigurationSummary> => ({
      title: metricTexts[name].title,
      value: ({ values }) => numberText(values[name].median, metricTexts[name].digits),
      align: 'right',
    }),
  ),
  { title: 'FAILED', value: ({ failed }) => String(failed), align: 'right' },
];

const comparedWithIptables = ['rps', 'p99', 'proxyPerRequest', 'systemPer1000', 'cpuPerRequest'] as const;
const comparedWithNone = ['rps', 'p99', 'systemPer1000', 'cpuPerRequest'] as const;

/** How each configuration compares: medians of the rounds' ratios, with the least and the greatest. */
export const ratioColumns: readonly BenchColumn<ConfigurationSummary>[] = [
  { title: 'CONFIGURATION', value: ({ configuration }) => configuration, align: 'left' },
  ...comparedWithIptables.map((name) => ratioColumn(name, 'iptables')),
  ...comparedWithNone.map((name) => ratioColumn(name, 'none')),
];

function ratioColumn(name: MetricName, base: 'iptables' | 'none'): BenchColumn<ConfigurationSummary> {
  return {
    title: `${metricTexts[name].title.split(' ')[0]}${name === 'proxyPerRequest' ? ' CPU' : ''} ÷ ${base}`,
    value: ({ over }) => (over[base] === null ? dash : ratioText(over[base][name])),
    align: 'right',
  };
}

/** What each configuration streamed. */
export const streamColumns: readonly BenchColumn<StreamSummary['configurations'][number]>[] = [
  { title: 'CONFIGURATION', value: ({ configuration }) => configuration, align: 'left' },
  { title: 'Gb/s', value: ({ gigabits }) => spreadText(gigabits, 2), align: 'right' },
  { title: '÷ PLAIN', value: ({ overPlain }) => (overPlain === null ? dash : ratioText(overPlain)), align: 'right' },
];

/** `1.52 (1.49–1.60)` */
export function ratioText(spread: Spread): string {
  return spreadText(spread, 2);
}

/** The median and, in brackets, the least and the greatest; a dash where nothing was measured. */
export function spreadText({ median, lowest, highest }: Spread, digits: number): string {
  if (!Number.isFinite(median)) return dash;
  return `${numberText(median, digits)} (${numberText(lowest, digits)}–${numberText(highest, digits)})`;
}

function numberText(value: number, digits: number): string {
  return Number.isFinite(value) ? value.toFixed(digits) : dash;
}
