import type { Fields, Summary } from './types.ts';

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
