import { ratioColumns, streamColumns, valueColumns } from '../bench/columns.ts';
import { factsOf } from '../bench/facts.ts';
import { scenarioText, sizeText } from '../bench/plan.ts';
import type { BenchSummary } from '../bench/summary.ts';
import type { BenchReport } from '../bench/types.ts';
import { formatTable } from './print.ts';

/** The answer for a terminal: the facts, then for every scenario its medians and its ratios. */
export function benchTable(report: BenchReport, summary: BenchSummary): string {
  const scenarios = summary.scenarios.map(({ scenario, configurations }) => {
    const compared = configurations.some(({ over }) => over.iptables !== null || over.none !== null);
    const ratios = compared ? `\n${formatTable(configurations, ratioColumns)}` : '';
    return `\n${scenarioText(scenario)}\n${formatTable(configurations, valueColumns)}${ratios}`;
  });
  const streams = summary.streams.map(
    ({ scenario, configurations }) =>
      `\nstream, ${scenario.way}, writes of ${sizeText(scenario.piece)}\n${formatTable(configurations, streamColumns)}`,
  );
  return `${factsOf(report).join('\n')}\n${scenarios.join('')}${streams.join('')}`;
}
