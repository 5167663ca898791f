import type { IdentityRecord } from './identity.ts';
import type { IpcacheEntry } from './types.ts';

/** Whose an address is where several claim it: the smaller goes first. */
export const claims = { pod: 0, node: 1, known: 2, range: 3 } as const;

/** Identities that somebody has, and what has changed since it was last asked. */
export class Census {
  readonly #held = new Map<string, { readonly record: IdentityRecord; count: number; announced: boolean }>();
  #new: IdentityRecord[] = [];
  /** Keys that were nobody's at some time since. */
  #left = new Set<string>();

  /** One more has this identity; answers the record that stands for it. */
  hold(record: IdentityRecord): IdentityRecord {
    const held = this.#held.get(record.key);
    if (held !== undefined) {
      held.count += 1;
      return held.record;
    }
    this.#held.set(record.key, { record, count: 1, announced: false });
    this.#new.push(record);
    return record;
  }

  drop({ key }: IdentityRecord): void {
    const held = this.#held.get(key);
    if (held === undefined) return;
    held.count -= 1;
    if (held.count === 0) this.#left.add(key);
  }

  /** Who came and who went since the last time. */
  changes(): { readonly added: readonly IdentityRecord[]; readonly removed: readonly IdentityRecord[] } {
    const removed: IdentityRecord[] = [];
    for (const key of this.#left) {
      const held = this.#held.get(key);
      if (held === undefined || held.count > 0) continue;
      this.#held.delete(key);
      if (held.announced) removed.push(held.record);
    }
    const added: IdentityRecord[] = [];
    for (const { key } of this.#new) {
      const held = this.#held.get(key);
      if (held === undefined || held.announced) continue;
      held.announced = true;
      added.push(held.record);
    }
    this.#left = new Set();
    this.#new = [];
    return { added, removed };
  }
}

interface Claim {
  readonly order: number;
  readonly entry: IpcacheEntry;
}

/** Which identity each address has. An address may be claimed more than once, as when a range is named that is one pod's address. */
export class AddressBook {
  readonly #claims = new Map<string, Claim[]>();
  #list: readonly IpcacheEntry[] | null = null;

  claim(entry: IpcacheEntry, order: number): void {
    this.#list = null;
    const at = this.#claims.get(entry.prefix);
    if (at === undefined) this.#claims.set(entry.prefix, [{ order, entry }]);
    else {
      at.push({ order, entry });
      at.sort((a, b) => a.order - b.order);
    }
  }

  release(entry: IpcacheEntry): void {
    const at = this.#claims.get(entry.prefix);
    const index = at?.findIndex((claim) => claim.entry === entry) ?? -1;
    if (at === undefined || index < 0) return;
    this.#list = null;
    at.splice(index, 1);
    if (at.length === 0) this.#claims.delete(entry.prefix);
  }

  /** Whether a pod or a node has this address. */
  isInside(prefix: string): boolean {
    const [first] = this.#claims.get(prefix) ?? [];
    return first !== undefined && first.order <= claims.node;
  }

  /** Every address once; the same list as before where nothing changed. */
  list(): readonly IpcacheEntry[] {
    if (this.#list === null) {
      const list: IpcacheEntry[] = [];
      for (const [first] of this.#claims.values()) if (first !== undefined) list.push(first.entry);
      this.#list = list;
    }
    return this.#list;
  }
}
