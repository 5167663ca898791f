import type { DestinationKey } from '../../abi/gen/index.ts';
import type { Pace } from '../../base/pace.ts';
import type { DataPlaneMaps } from './maps.ts';

/** For so long, ms, the connections that a pod had when it was released are told what they dialled. */
const keptMs = 300_000;

/**
 * Removes what the addresses of pods stood for (bpf/lib/destination.bpf.h) some time after the pods were released: connections outlive that. A
 * cookie is never used twice, so nobody else can meet these rows.
 */
export class ReleasedDestinations {
  readonly #maps: Pick<DataPlaneMaps, 'pods' | 'destinations'>;
  /** When the rows of a pod may go; null as long as nobody has looked for rows of pods that an earlier process released. */
  #due: Map<bigint, number> | null = null;

  constructor(maps: Pick<DataPlaneMaps, 'pods' | 'destinations'>) {
    this.#maps = maps;
  }

  /** Notes that a pod was released just now. */
  release(cookie: bigint): void {
    this.#due?.set(cookie, performance.now() + keptMs);
  }

  /**
   * Removes what is due at `now` (ms, performance.now()). Walks the table only when something is, and once at the start. Throws SysError.
   */
  async remove(now: number, pace: Pace): Promise<void> {
    const first = this.#due === null;
    const due = this.#due ?? new Map<bigint, number>();
    this.#due = due;
    for (const cookie of due.keys()) if (this.#maps.pods.get(cookie) !== null) due.delete(cookie);
    if (!first && ![...due.values()].some((time) => time <= now)) return;
    const stale: DestinationKey[] = [];
    for (const key of this.#maps.destinations.keys()) {
      const time = due.get(key.cookie);
      if (time !== undefined && time <= now) stale.push(key);
      else if (time === undefined && this.#maps.pods.get(key.cookie) === null) due.set(key.cookie, now + keptMs);
      if (pace.isDue) await pace.rest();
    }
    this.#maps.destinations.deleteMany(stale);
    for (const [cookie, time] of due) if (time <= now) due.delete(cookie);
  }
}
