import type { ServiceEntry } from '../../api/types.ts';
import type { DataPlaneMaps } from './maps.ts';
import { compileServices } from './services.ts';

/** Keeps the service tables of the kernel equal to the last list that was given. */
export class ServiceWriter {
  readonly #maps: DataPlaneMaps;
  #nextGeneration: number;
  #written: string | null = null;

  constructor(maps: DataPlaneMaps) {
    this.#maps = maps;
    // generations of an earlier process are still in use until the first write
    this.#nextGeneration = 1 + Math.max(0, ...[...maps.services.entries()].map(([, { generation }]) => generation));
  }

  /** Replaces the whole table: backends first, then services, then what nothing names any more. A list that is the same changes nothing. */
  write(entries: readonly ServiceEntry[]): void {
    const print = JSON.stringify(entries);
    if (print === this.#written) return;
    const tables = compileServices(entries, this.#nextGeneration);
    this.#maps.backends.setMany(tables.backends);
    this.#maps.services.setMany(tables.services);
    const generations = new Set(tables.services.map(([, { generation }]) => generation));
    const stale = [...this.#maps.services.entries()].filter(([, { generation }]) => !generations.has(generation));
    this.#maps.services.deleteMany(stale.map(([key]) => key));
    this.#maps.backends.deleteMany([...this.#maps.backends.keys()].filter(({ generation }) => !generations.has(generation)));
    this.#nextGeneration = tables.nextGeneration;
    this.#written = print;
  }
}
