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

/**
 * Which identity each address has. An address may be claimed more than once, as when a range is named that is one pod's address; nearly all are claimed
 * once, by a pod, and there the entry stands alone.
 */
export class AddressBook {
  readonly #claims = new Map<string, IpcacheEntry | readonly Claim[]>();
  #list: readonly IpcacheEntry[] | null = null;

  claim(entry: IpcacheEntry, order: number): void {
    this.#list = null;
    const at = this.#claims.get(entry.prefix);
    if (at === undefined && order === claims.pod) this.#claims.set(entry.prefix, entry);
    else
      this.#claims.set(
        entry.prefix,
        [...claimsOf(at), { order, entry }].sort((a, b) => a.order - b.order),
      );
  }

  release(entry: IpcacheEntry): void {
    const before = claimsOf(this.#claims.get(entry.prefix));
    const left = before.filter((claim) => claim.entry !== entry);
    if (left.length === before.length) return;
    this.#list = null;
    if (left.length === 0) this.#claims.delete(entry.prefix);
    else this.#claims.set(entry.prefix, left);
  }

  /** Whether a pod or a node has this address. */
  isInside(prefix: string): boolean {
    const [first] = claimsOf(this.#claims.get(prefix));
    return first !== undefined && first.order <= claims.node;
  }

  /** Every address once; the same list as before where nothing changed. */
  list(): readonly IpcacheEntry[] {
    if (this.#list === null) {
      const list: IpcacheEntry[] = [];
      for (const at of this.#claims.values()) {
        const entry = isAlone(at) ? at : at[0]?.entry;
        if (entry !== undefined) list.push(entry);
      }
      this.#list = list;
    }
    return this.#list;
  }
}

function isAlone(at: IpcacheEntry | readonly Claim[]): at is IpcacheEntry {
  return 'prefix' in at;
}

function claimsOf(at: IpcacheEntry | readonly Claim[] | undefined): readonly Claim[] {
  if (at === undefined) return [];
  return isAlone(at) ? [{ order: claims.pod, entry: at }] : at;
}
