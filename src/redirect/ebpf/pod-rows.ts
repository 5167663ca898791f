import type { Pace } from '../../base/pace.ts';
import type { BpfMap } from '../../kernel/index.ts';

/** What brings one pod's rows of one table to what they should be. Nothing is done before a method is called. */
export interface RowPlan {
  /** Rows that are new or have another value. */
  readonly written: number;
  /** Those of them that take a place in the table: the others are there with another value. */
  readonly added: number;
  /** Rows that should not be there. */
  readonly stale: number;
  /** Writes what is new. Throws SysError E2BIG, ENOSPC (full), ENOMEM; then some are written and revert() is due. */
  write(): void;
  /** Takes back what write() did, also when it failed half-way. */
  revert(): void;
  /** Removes what is stale, and remembers. */
  finish(): void;
}

/**
 * The rows of all pods in one table as they were last seen or written. What a pod lacks is found in here, not by a walk over the rows of
 * everybody, so that enrolling many pods costs each the same.
 */
export class PodRows<K extends { readonly cookie: bigint }, V> {
  readonly #map: BpfMap<K, V>;
  readonly #key: Buffer;
  readonly #value: Buffer;
  /** By cookie: the bytes of the key, as text, to those of the value. */
  #rows = new Map<bigint, ReadonlyMap<string, string>>();

  constructor(map: BpfMap<K, V>) {
    this.#map = map;
    this.#key = Buffer.alloc(map.info.keySize);
    this.#value = Buffer.alloc(map.info.valueSize);
  }

  /** The table's name and how many rows it can have. */
  get table(): { readonly name: string; readonly maxEntries: number } {
    return this.#map.info;
  }

  /** The pods that have rows here. */
  cookies(): Iterable<bigint> {
    return this.#rows.keys();
  }

  /** How many rows all pods have together. */
  get size(): number {
    return [...this.#rows.values()].reduce((sum, rows) => sum + rows.size, 0);
  }

  /** Walks the whole table and remembers what is there. Nobody may write rows of pods meanwhile. */
  async learn(pace: Pace): Promise<void> {
    const found = new Map<bigint, Map<string, string>>();
    for (const [key, value] of this.#map.bytes()) {
      const { cookie } = this.#map.codec.readKey(viewOf(key));
      const rows = found.get(cookie) ?? new Map<string, string>();
      found.set(cookie, rows.set(key.toString('latin1'), value.toString('latin1')));
      if (pace.isDue) await pace.rest();
    }
    this.#rows = found;
  }

  /** What it takes to give a pod exactly the rows `wanted`. */
  plan(cookie: bigint, wanted: readonly (readonly [K, V])[]): RowPlan {
    const current = this.#rows.get(cookie) ?? new Map<string, string>();
    const next = new Map(wanted.map(([key, value]) => [this.#keyText(key), this.#valueText(value)]));
    const write = [...next].filter(([key, value]) => current.get(key) !== value);
    const stale = [...current.keys()].filter((key) => !next.has(key));
    return {
      written: write.length,
      added: write.filter(([key]) => !current.has(key)).length,
      stale: stale.length,
      write: () => this.#setMany(write),
      revert: () => {
        this.#deleteMany(write.filter(([key]) => !current.has(key)).map(([key]) => key));
        this.#setMany(write.flatMap(([key]) => mapEntry(current, key)));
      },
      finish: () => {
        this.#deleteMany(stale);
        if (next.size === 0) this.#rows.delete(cookie);
        else this.#rows.set(cookie, next);
      },
    };
  }

  #setMany(rows: readonly (readonly [string, string])[]): void {
    if (rows.length > 0) this.#map.setMany(rows.map(([key, value]) => [this.#readKey(key), this.#readValue(value)]));
  }

  #deleteMany(keys: readonly string[]): void {
    if (keys.length > 0) this.#map.deleteMany(keys.map((key) => this.#readKey(key)));
  }

  #keyText(key: K): string {
    this.#map.codec.writeKey(key, viewOf(this.#key));
    return this.#key.toString('latin1');
  }

  #valueText(value: V): string {
    this.#map.codec.writeValue(value, viewOf(this.#value));
    return this.#value.toString('latin1');
  }

  #readKey(text: string): K {
    return this.#map.codec.readKey(viewOf(Buffer.from(text, 'latin1')));
  }

  #readValue(text: string): V {
    return this.#map.codec.readValue(viewOf(Buffer.from(text, 'latin1')));
  }
}

function mapEntry(map: ReadonlyMap<string, string>, key: string): readonly (readonly [string, string])[] {
  const value = map.get(key);
  return value === undefined ? [] : [[key, value]];
}

function viewOf(buffer: Buffer): DataView {
  return new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
}
