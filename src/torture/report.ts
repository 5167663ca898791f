import type { TortureResult } from './rounds.ts';
import type { Expectation, Route, Trial } from './types.ts';
import { routes } from './types.ts';

/** All trials of a case by one route. */
export interface CaseRow {
  readonly name: string;
  readonly route: Route;
  readonly runs: number;
  readonly failed: number;
  readonly expectation: Expectation;
  /** Bytes by sockmap in the runs that were alone; null where none was accelerated. */
  readonly bytes: number | null;
  /** The first failure. */
  readonly first: Trial | null;
}

/** One row for each case and route, in the order of the trials. Pure. */
export function rowsOf(trials: readonly Trial[]): readonly CaseRow[] {
  const rows = new Map<string, CaseRow>();
  for (const trial of trials) {
    const key = `${trial.name} ${trial.route}`;
    const row = rows.get(key) ?? {
      name: trial.name,
      route: trial.route,
      runs: 0,
      failed: 0,
      expectation: trial.expectation,
      bytes: null,
      first: null,
    };
    const failed = trial.differences.length > 0;
    rows.set(key, {
      ...row,
      runs: row.runs + 1,
      failed: row.failed + (failed ? 1 : 0),
      bytes: trial.bytes === null ? row.bytes : (row.bytes ?? 0) + trial.bytes,
      first: row.first ?? (failed ? trial : null),
    });
  }
  return [...rows.values()].sort((a, b) => (a.name === b.name ? routes.indexOf(a.route) - routes.indexOf(b.route) : 0));
}

/** What connections say before a case begins is no proof that the case itself was accelerated. */
const hello = 64;

/** The cases that should have gone by sockmap and did not, by one route: a torture of plain TCP proves nothing. Pure. */
export function idle(rows: readonly CaseRow[]): readonly CaseRow[] {
  return rows.filter(({ bytes, expectation }) => bytes !== null && bytes < hello && expectation === 'must');
}

/** How a failed trial is told: what differed, and how to see it again. Pure. */
export function failureText({ name, route, family, seed, differences }: Trial): string {
  return [`${name} (${route}, IPv${family}, seed ${seed}):`, ...differences.map((line) => `    ${line}`)].join('\n');
}

/** What was measured, in a few lines. Pure. */
export function summaryText(result: TortureResult, failures: number): string {
  const [first, last] = result.footprints;
  const rows = Object.entries(last.rows).map(([table, count]) => `${table} ${first.rows[table] ?? 0} → ${count}`);
  const figures = Object.entries(result.measures).map(
    ([name, { plain, accelerated }]) => `${name} ${plain} on plain TCP, ${accelerated} accelerated`,
  );
  return [
    `${result.trials.length} trials in ${result.rounds} rounds and ${result.seconds.toFixed(1)} s: ${failures} failed`,
    `${(result.acceleratedBytes / 1024 / 1024).toFixed(1)} MiB went by sockmap`,
    `at most: ${figures.join('; ') || 'nothing was measured'}`,
    `after the first round and at the end: rows ${rows.join(', ')}; memory of the proxies ${first.proxyMemory} → ${last.proxyMemory} KiB, our own ${first.ownMemory} → ${last.ownMemory} KiB`,
    ...result.skipped.map(({ name, reason }) => `not run: ${name}, because ${reason}`),
  ].join('\n');
}
