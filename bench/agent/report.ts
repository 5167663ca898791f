import { formatTable } from '../../src/cli/print.ts';
import type { MachineFacts } from '../support/machine.ts';
import { describeMachine } from '../support/machine.ts';

/** What one case took: nanoseconds for one of its things. */
export interface CaseResult {
  readonly name: string;
  readonly median: number;
  readonly p99: number;
  /** Calls that were timed. */
  readonly samples: number;
}

export interface AgentReport {
  readonly machine: MachineFacts;
  readonly results: readonly CaseResult[];
}

const columns = [
  { title: 'WHAT', value: ({ name }: CaseResult) => name },
  { title: 'MEDIAN', value: ({ median }: CaseResult) => timeText(median), align: 'right' },
  { title: 'P99', value: ({ p99 }: CaseResult) => timeText(p99), align: 'right' },
  { title: 'PER SECOND', value: ({ median }: CaseResult) => Math.round(1e9 / median).toLocaleString('en'), align: 'right' },
] as const;

/** For a terminal. */
export function formatReport({ machine, results }: AgentReport): string {
  return `${describeMachine(machine)}\n\n${formatTable(results, columns)}`;
}

/** A section of docs/benchmarks.md. */
export function formatMarkdown({ machine, results }: AgentReport): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [
    '## What the agent does, one by one',
    '',
    `Measured with \`npm run bench:agent\` on ${describeMachine(machine)}.`,
    '',
    line(columns.map(({ title }) => title.toLowerCase())),
    '|---|--:|--:|--:|',
    ...results.map((result) => line(columns.map(({ value }) => value(result)))),
    '',
  ].join('\n');
}

/** Three digits and a unit. */
export function timeText(nanoseconds: number): string {
  if (nanoseconds < 1000) return `${nanoseconds.toPrecision(3)} ns`;
  if (nanoseconds < 1e6) return `${(nanoseconds / 1e3).toPrecision(3)} µs`;
  return `${(nanoseconds / 1e6).toPrecision(3)} ms`;
}
