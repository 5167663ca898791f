import type { Fields, RowResult, Summary } from './types.ts';

/** Fields as one cell: `reached outbound, original 10.96.5.5:80`. */
export function fieldsText(fields: Fields): string {
  return Object.entries(fields)
    .map(([name, value]) => (name === 'reached' ? value : `${name} ${value}`))
    .join('; ');
}

/** The last line of the table. */
export function summaryText(summary: Summary, seconds: number): string {
  const { rows, pass, deviation, fail, skip } = summary;
  return `${rows} rows: ${pass} pass, ${deviation} deviation, ${fail} fail, ${skip} skip, in ${seconds.toFixed(0)} s`;
}

/** Of the expected fields, those that were seen otherwise; all when none differs. */
export function differing({ expected, seen }: RowResult): Fields {
  const entries = Object.entries(seen).filter(([name, value]) => expected[name] !== value);
  return entries.length === 0 ? seen : Object.fromEntries(entries);
}
