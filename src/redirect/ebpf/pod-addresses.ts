import type { PodAddress } from '../../abi/gen/index.ts';
import type { Pace } from '../../base/pace.ts';
import type { BpfMap } from '../../kernel/index.ts';
import type { RowPlan } from './pod-rows.ts';

/**
 * Which pod has which address, for all pods of the node. Unlike the other tables it has the pod in its value: an address that two pods claim
 * belongs to whoever claimed it first; the other one gets it when that one has left.
 */
export class PodAddressRows {
  readonly #map: BpfMap<PodAddress, bigint>;
  /** Hexadecimal address to cookie, as last seen or written. */
  #rows = new Map<string, bigint>();

  constructor(map: BpfMap<PodAddress, bigint>) {
    this.#map = map;
  }

  /** The table's name and how many rows it can have. */
  get table(): { readonly name: string; readonly maxEntries: number } {
    return this.#map.info;
  }

  /** How many addresses all pods have together. */
  get size(): number {
    return this.#rows.size;
  }

  /** The pods that have rows here. */
  cookies(): Iterable<bigint> {
    return new Set(this.#rows.values());
  }

  /** Walks the whole table and remembers what is there. */
  async learn(pace: Pace): Promise<void> {
    const found = new Map<string, bigint>();
    for (const [{ addr }, cookie] of this.#map.entries()) {
      found.set(Buffer.from(addr).toString('hex'), cookie);
      if (pace.isDue) await pace.rest();
    }
    this.#rows = found;
  }

  /** What it takes to give a pod exactly these addresses. */
  plan(cookie: bigint, wanted: readonly (readonly [PodAddress, bigint])[]): RowPlan {
    const next = new Set(wanted.map(([{ addr }]) => Buffer.from(addr).toString('hex')));
    const before = new Map(this.#rows);
    const write = [...next].filter((address) => !before.has(address));
    const stale = [...before].filter(([address, owner]) => owner === cookie && !next.has(address)).map(([address]) => address);
    return {
      written: write.length,
      added: write.length,
      stale: stale.length,
      write: () => {
        for (const address of write) this.#set(address, cookie);
      },
      revert: () => {
        for (const address of write) this.#delete(address);
      },
      finish: () => {
        for (const address of stale) this.#delete(address);
      },
    };
  }

  #set(address: string, cookie: bigint): void {
    this.#map.set({ addr: Buffer.from(address, 'hex') }, cookie);
    this.#rows.set(address, cookie);
  }

  #delete(address: string): void {
    this.#map.delete({ addr: Buffer.from(address, 'hex') });
    this.#rows.delete(address);
  }
}
