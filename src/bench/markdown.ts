import type { BenchColumn } from './columns.ts';
import { ratioColumns, streamColumns, valueColumns } from './columns.ts';
import { factsOf, methodText } from './facts.ts';
import { scenarioText, sizeText } from './plan.ts';
import type { BenchSummary } from './summary.ts';
import type { BenchReport } from './types.ts';

/** The lines of a document between which the benchmark's section stands. */
export const sectionStart = '<!-- printed by millrace bench -o markdown, up to the end mark -->';
export const sectionEnd = '<!-- end of what millrace bench printed -->';

/** The section of a document: method, facts, tables. */
export function markdownReport(report: BenchReport, summary: BenchSummary): string {
  const [how = '', ...facts] = factsOf(report);
  return [
    sectionStart,
    '',
    '## Requests through the mesh',
    '',
    ...methodText.flatMap((paragraph) => [paragraph, '']),
    `Measured with \`${how.replace(/: (\d+ interleaved)/, '`: $1')}.`,
    ...facts.map((fact) => `${fact[0]?.toUpperCase()}${fact.slice(1)}.`),
    'They are what this machine said on that day, not a promise.',
    '',
    ...summary.scenarios.flatMap(({ scenario, configurations }) => [
      `### ${capital(scenarioText(scenario))}`,
      '',
      ...table(configurations, valueColumns),
      '',
      ...table(configurations, ratioColumns),
      '',
    ]),
    ...streamSection(summary),
    sectionEnd,
    '',
  ].join('\n');
}

function streamSection({ streams }: BenchSummary): readonly string[] {
  if (streams.length === 0) return [];
  const rows = streams.flatMap(({ scenario, configurations }) => configurations.map((configuration) => ({ scenario, configuration })));
  type Row = (typeof rows)[number];
  const columns: readonly BenchColumn<Row>[] = [
    { title: 'WAY', value: ({ scenario }) => scenario.way, align: 'left' },
    { title: 'WRITES OF', value: ({ scenario }) => sizeText(scenario.piece), align: 'right' },
    ...streamColumns.map(({ title, value, align }): BenchColumn<Row> => ({ title, value: (row) => value(row.configuration), align })),
  ];
  return [
    '### Streams',
    '',
    'One connection, one direction, as fast as it goes, `spread`. `÷ PLAIN` compares with the same way without acceleration: `none` for direct streams, `ebpf` through',
    "the sender's sidecar.",
    '',
    ...table(rows, columns),
    '',
  ];
}

/**
 * A document with its section replaced, or the section alone where there is no such document. What stands outside the marks is left as it is.
 */
export function withSection(document: string, section: string): string {
  const start = document.indexOf(sectionStart);
  const end = document.indexOf(sectionEnd);
  if (start === -1 || end < start) return document === '' ? section : `${document.trimEnd()}\n\n${section}`;
  return document.slice(0, start) + section.trimEnd() + document.slice(end + sectionEnd.length);
}

function table<Row>(rows: readonly Row[], columns: readonly BenchColumn<Row>[]): readonly string[] {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [
    line(columns.map(({ title }) => title)),
    `|${columns.map(({ align }) => (align === 'right' ? '--:' : '---')).join('|')}|`,
    ...rows.map((row) => line(columns.map(({ value }) => value(row)))),
  ];
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
