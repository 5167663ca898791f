import { deviations } from './deviations.ts';
import { flowText } from './flow-text.ts';
import { unsupported } from './flows/encounter.ts';
import type { Deviation, Fields, Mode, Row, RowResult, Summary } from './types.ts';

/** Whether an id of a list names a row: the very same, or the beginning of it before `/*`. */
export function namesRow(listed: string, id: string): boolean {
  if (!listed.endsWith('/*')) return listed === id;
  return id === listed.slice(0, -2) || id.startsWith(listed.slice(0, -1));
}

/** The deviations that a row has under a mode; each is about other fields. */
export function deviationsOf(id: string, mode: Mode, known: readonly Deviation[] = deviations): readonly Deviation[] {
  return known.filter(({ rows, modes }) => modes.includes(mode) && rows.some((listed) => namesRow(listed, id)));
}

/**
 * Holds what was seen against the contract, or against the deviation where there is one: that must be seen exactly, so that a deviation
 * which is gone is a failure too. Pure.
 */
export function judge(row: Row, mode: Mode, all: Fields, known: readonly Deviation[] = deviations): RowResult {
  const deviating: Fields = Object.assign({}, ...deviationsOf(row.id, mode, known).map(({ seen }) => seen));
  const wanted = { ...row.expected, ...deviating };
  // Where the connection itself is another, only what the deviation names is to be compared: there may be nothing else to see.
  const counting = Object.keys(deviating.reached === undefined ? wanted : deviating);
  const seen = Object.fromEntries(counting.map((field) => [field, all[field] ?? `nothing (${all.reached ?? 'not reached'})`]));
  const same = counting.every((field) => seen[field] === wanted[field]);
  const deviates = Object.keys(deviating).length > 0;
  return {
    id: row.id,
    mode,
    world: row.world.name,
    flow: flowText(row.flow),
    expected: row.expected,
    seen,
    verdict: all.reached === unsupported ? 'skip' : !same ? 'fail' : deviates ? 'deviation' : 'pass',
  };
}

/** Counts verdicts. Pure. */
export function summaryOf(results: readonly RowResult[]): Summary {
  const count = (verdict: RowResult['verdict']): number => results.filter((result) => result.verdict === verdict).length;
  return { rows: results.length, pass: count('pass'), deviation: count('deviation'), fail: count('fail'), skip: count('skip') };
}
