import { Pace } from '../../base/pace.ts';
import { lostSource } from '../../flow/codes.ts';
import { compileFilters } from '../../flow/filter/compile.ts';
import type { FlowFilter } from '../../flow/filter/types.ts';
import type { FlowRing } from '../../flow/ring.ts';
import type { Flow, LostEvents, Timestamp } from '../../flow/types.ts';
import { nanosecondsOf, timestampOf } from '../../flow/wall-clock.ts';

/** What somebody wants to see: observer.GetFlowsRequest of Hubble's API. */
export interface FlowQuery {
  /** 0: all. With `first` the oldest, else the newest. */
  readonly number: bigint;
  readonly first: boolean;
  readonly follow: boolean;
  readonly whitelist: readonly FlowFilter[];
  readonly blacklist: readonly FlowFilter[];
  readonly since?: Timestamp;
  readonly until?: Timestamp;
}

export type QueryResult =
  | { readonly kind: 'flow'; readonly flow: Flow }
  | { readonly kind: 'lost'; readonly lost: LostEvents; readonly time: Timestamp };

/** Entries that are looked at before the clock is. A filter may name thousands of things: it is not the entries that take time. */
const perLook = 32;
const lostIntervalNs = 1_000_000_000n;

/**
 * Reads the ring as Hubble's server does, at the pace of whoever takes the results. A reader that is overtaken is told how many entries it missed, once
 * a second and when it has caught up. Ends where nothing more can come, or when `signal` aborts. @throws MillraceError FILTER_INVALID, before the first result
 */
export async function* queryFlows(
  ring: FlowRing,
  query: FlowQuery,
  options: { readonly signal: AbortSignal; readonly nowNs: () => bigint },
): AsyncGenerator<QueryResult> {
  const { signal, nowNs } = options;
  const wanted = compileFilters(query.whitelist, query.blacklist);
  const since = query.since === undefined ? null : nanosecondsOf(query.since);
  const until = query.until === undefined ? null : nanosecondsOf(query.until);
  // Without `follow` it is the ring of this moment; otherwise a storm would keep the reader busy for ever.
  const end = ring.end;
  let next = await firstEntry(ring, query, wanted, end, signal);
  let found = 0n;
  const missed = { count: 0, first: 0n, last: 0n };
  const pace = new Pace();
  let looked = 0;
  while (!signal.aborted) {
    // whoever has caught up waits, and nobody knows for how long
    if (missed.count > 0 && (nowNs() - missed.first >= lostIntervalNs || next >= (query.follow ? ring.end : end))) {
      yield lostResult(missed, nowNs());
      missed.count = 0;
    }
    if (!query.follow && (next >= end || (query.number > 0n && found >= query.number))) return;
    if (next >= ring.end) {
      await ring.until(next, signal);
      continue;
    }
    if (next < ring.start) {
      missed.last = nowNs();
      if (missed.count === 0) missed.first = missed.last;
      missed.count += ring.start - next;
      next = ring.start;
    }
    looked += 1;
    if (looked % perLook === 0 && pace.isDue) await pace.rest();
    const time = since === null && until === null ? null : ring.timeNsAt(next);
    const entry = time === null || inRange(time, since, until) ? ring.at(next) : null;
    next += 1;
    // overwritten while others had their turn: the next round counts it
    if (entry === null && next - 1 < ring.start) next -= 1;
    if (entry?.kind === 'lost') yield entry;
    if (entry?.kind !== 'flow' || !wanted(entry.flow)) continue;
    found += 1n;
    yield entry;
  }
}

function inRange(time: bigint, since: bigint | null, until: bigint | null): boolean {
  return (since === null || time >= since) && (until === null || time <= until);
}

/** Where to begin so that the newest `number` flows that match come out in the order in which they happened. */
async function firstEntry(
  ring: FlowRing,
  query: FlowQuery,
  wanted: (flow: Flow) => boolean,
  end: number,
  signal: AbortSignal,
): Promise<number> {
  if (query.first || query.since !== undefined) return ring.start;
  if (query.number === 0n) return query.follow ? end : ring.start;
  const pace = new Pace();
  let found = 0n;
  let number = end;
  while (number > ring.start && found < query.number && !signal.aborted) {
    number -= 1;
    const entry = ring.at(number);
    if (entry?.kind === 'flow' && wanted(entry.flow)) found += 1n;
    if ((end - number) % perLook === 0 && pace.isDue) await pace.rest();
  }
  return number;
}

function lostResult(missed: { readonly count: number; readonly first: bigint; readonly last: bigint }, now: bigint): QueryResult {
  return {
    kind: 'lost',
    time: timestampOf(now),
    lost: {
      source: lostSource.recentFlows,
      numEventsLost: BigInt(missed.count),
      first: timestampOf(missed.first),
      last: timestampOf(missed.last),
    },
  };
}
