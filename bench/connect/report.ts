import type { Spread } from '../../src/bench/statistics.ts';
import { formatTable } from '../../src/cli/print.ts';
import type { MachineFacts } from '../support/machine.ts';
import { describeMachine } from '../support/machine.ts';
import type { ConfigurationResult, FamilyResult } from './compare.ts';

/** Everything that is printed. */
export interface Report {
  readonly command: string;
  readonly machine: MachineFacts;
  readonly connections: number;
  readonly rounds: number;
  readonly results: readonly FamilyResult[];
}

/** For a person at a terminal. */
export function formatReport(report: Report): string {
  const parts = [`${describeMachine(report.machine)}\n`];
  for (const result of report.results) {
    parts.push(
      `\n${result.family}, client and server on ${result.layout}; µs per connection, median of ${report.rounds} rounds (least to most)\n`,
    );
    parts.push(
      formatTable(result.configurations, [
        { title: 'CONFIGURATION', value: ({ configuration }) => configuration },
        { title: 'MEDIAN', value: ({ median }) => range(median), align: 'right' },
        { title: 'MEAN', value: ({ mean }) => range(mean), align: 'right' },
        { title: 'P99', value: ({ p99 }) => range(p99), align: 'right' },
        { title: 'FAILED', value: (row) => failures(row), align: 'right' },
      ]),
    );
    parts.push(`${sentences(result).join('\n')}\n`);
  }
  return parts.join('');
}

/** A section for docs/benchmarks.md: the numbers, where they were measured, and how to measure them again. */
export function formatMarkdown(report: Report): string {
  const lines = [
    '## Cost of a new connection',
    '',
    'Socket, connect, a request of 20 bytes, an answer of one byte, end and close, against a stand-in proxy that asks for the original',
    'destination of every connection and checks it against what the client dialled. `direct` connects to the same listener on loopback, `own',
    "address` to it at the pod's address, from which the proxy is to see its clients: the kernel keeps no route for it and is slower. `iptables`",
    "has Istio's rules in the pod, `ebpf` our programs on the pod's cgroup and `sk_lookup` in the pod. Each is a pod of its own.",
    '',
    `Measured with \`${report.command}\`: ${report.connections} connections in each of ${report.rounds} interleaved rounds, on ${describeMachine(report.machine)}.`,
    'Microseconds per connection: the median of the rounds and, in brackets, the least and the most of them. Differences are taken within a round.',
    'They are what this machine said on that day, not a promise; the two layouts must not be compared with each other.',
    '',
    '| family | client and server on | direct | own address | iptables | ebpf | ebpf ÷ iptables | ebpf − direct | ebpf − own address | iptables − direct | failed |',
    '|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|',
    ...report.results.map((result) => {
      const cells = result.configurations.map(({ median }) => range(median));
      const failed = result.configurations.reduce((sum, row) => sum + row.failed, 0);
      const differences = [result.lessDirect, result.lessOwnAddress, result.iptablesLessDirect].map((spread) => range(spread));
      return `| ${[result.family, result.layout, ...cells, range(result.overIptables, 3), ...differences, failed].join(' | ')} |`;
    }),
    '',
  ];
  return lines.join('\n');
}

function sentences(result: FamilyResult): readonly string[] {
  const { overIptables, lessIptables, lessDirect, lessOwnAddress, iptablesLessDirect } = result;
  return [
    `ebpf is ${range(overIptables, 3)} times iptables, ${signed(lessIptables)} µs: ${overIptables.median < 1 ? 'cheaper' : 'NOT cheaper'}`,
    `ebpf is ${signed(lessDirect)} µs over direct: ${lessDirect.median <= 5 ? 'within' : 'NOT within'} 5 µs (iptables ${signed(iptablesLessDirect)} µs)`,
    `ebpf is ${signed(lessOwnAddress)} µs over a connection to the pod's own address`,
  ];
}

function failures(row: ConfigurationResult): string {
  return `${row.failed} of ${row.connections}`;
}

function range(spread: Spread, digits = 2): string {
  return `${spread.median.toFixed(digits)} (${spread.lowest.toFixed(digits)}–${spread.highest.toFixed(digits)})`;
}

function signed(spread: Spread): string {
  const text = (value: number) => `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(2)}`;
  return `${text(spread.median)} (${text(spread.lowest)} to ${text(spread.highest)})`;
}
