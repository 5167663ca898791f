import { deviations } from './deviations.ts';
import { flowText } from './flow-text.ts';
import { unsupported } from './flows/encounter.ts';
import type { Deviation, Fields, Mode, Row, RowResult, Summary } from './types.ts';

/** Whether an id of a list (`OUT-05`, or `OUT-05/22`) names a row. */
export function namesRow(listed: string, id: string): boolean {
  return listed === id || (!listed.includes('/') && id.startsWith(`${listed}/`));
}

/** The deviation that covers a row under a mode, or null. A row named in full comes before its whole contract row. */
export function deviationOf(row: Pick<Row, 'id'>, mode: Mode, known: readonly Deviation[] = deviations): Deviation | null {
  const covering = known.filter(({ rows, modes }) => modes.includes(mode) && rows.some((listed) => namesRow(listed, row.id)));
  return covering.find(({ rows }) => rows.includes(row.id)) ?? covering[0] ?? null;
}

/**
 * Holds what was seen against the contract, or against the deviation where there is one: that must be seen exactly, so that a deviation
 * which is gone is a failure too. Pure.
 */
export function judge(row: Row, mode: Mode, all: Fields, known: readonly Deviation[] = deviations): RowResult {
  const deviation = deviationOf(row, mode, known);
  const wanted = deviation === null ? row.expected : { ...row.expected, ...deviation.seen };
  // Where the connection itself is another, only that is to be compared: there may be nothing else to see.
  const counting = deviation?.seen.reached === undefined ? Object.keys(wanted) : Object.keys(deviation.seen);
  const seen = Object.fromEntries(
    counting.map((field) => [field, all[field] ?? (field === 'reached' ? 'nothing' : `nothing (${all.reached ?? 'not reached'})`)]),
  );
  const same = counting.every((field) => seen[field] === wanted[field]);
  return {
    id: row.id,
    mode,
    world: row.world.name,
    flow: flowText(row.flow),
    expected: row.expected,
    seen,
    verdict: all.reached === unsupported ? 'skip' : !same ? 'fail' : deviation === null ? 'pass' : 'deviation',
  };
}

/** Counts verdicts. Pure. */
export function summaryOf(results: readonly RowResult[]): Summary {
  const count = (verdict: RowResult['verdict']): number => results.filter((result) => result.verdict === verdict).length;
  return { rows: results.length, pass: count('pass'), deviation: count('deviation'), fail: count('fail'), skip: count('skip') };
}
