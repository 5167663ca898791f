import type { Output } from './command.ts';

/** `-o`, for commands that list something: put it into `options` as `output: outputOption`. */
export const outputOption = {
  kind: 'choice',
  short: 'o',
  choices: ['table', 'json', 'yaml'],
  default: 'table',
  summary: 'the format of the answer',
} as const;

export type OutputFormat = (typeof outputOption.choices)[number];

export interface Column<Row> {
  /** In capitals, as kubectl does. */
  readonly title: string;
  readonly value: (row: Row) => string;
  /** Numbers read better to the right. */
  readonly align?: 'left' | 'right';
}

/** Rows under their titles, columns three spaces apart; ends with a line feed. Without rows only the titles. */
export function formatTable<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): string {
  const cells = [columns.map((column) => column.title), ...rows.map((row) => columns.map((column) => harmless(column.value(row))))];
  const widths = columns.map((_, index) => Math.max(...cells.map((line) => width(line[index] ?? ''))));
  const lines = cells.map((line) =>
    line
      .map((cell, index) => {
        const padding = ' '.repeat((widths[index] ?? 0) - width(cell));
        return columns[index]?.align === 'right' ? padding + cell : cell + padding;
      })
      .join('   ')
      .trimEnd(),
  );
  return `${lines.join('\n')}\n`;
}

/** What others named may not speak to the terminal, nor begin a line. */
function harmless(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (control) => `\\x${control.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

function width(text: string): number {
  return [...text].length;
}

/** Prints a list: its columns as a table, or the rows themselves as JSON or YAML. */
export async function printRows<Row>(
  output: Output,
  format: OutputFormat,
  rows: readonly Row[],
  columns: readonly Column<Row>[],
): Promise<void> {
  await printValue(output, format, rows, () => formatTable(rows, columns));
}

/** Prints one value as JSON or YAML, or what `table` makes of it. */
export async function printValue(output: Output, format: OutputFormat, value: unknown, table: () => string): Promise<void> {
  output.write(format === 'table' ? table() : format === 'json' ? `${toJson(value)}\n` : await toYaml(value));
}

/** Indented JSON; 64-bit numbers become decimal strings, as in the Kubernetes API. */
export function toJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => (typeof inner === 'bigint' ? inner.toString() : inner), 2);
}

async function toYaml(value: unknown): Promise<string> {
  const { stringify } = await import('yaml');
  // Through JSON, so that both formats show the same fields.
  return stringify(JSON.parse(toJson(value)));
}
