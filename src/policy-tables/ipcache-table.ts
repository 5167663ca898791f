import type { IpcacheKey } from '../abi/gen/index.ts';
import type { Pace } from '../base/pace.ts';
import { formatCidr } from '../pods/address.ts';
import type { CompiledPolicy } from '../policy/types.ts';
import type { DataPlaneMaps } from '../redirect/ebpf/maps.ts';
import type { TableCounts } from './rows.ts';
import { ipcacheKey } from './rows.ts';

/** Entries written with one system call: about two milliseconds. */
const chunk = 2048;
const keyBits = { 4: 32 + 96, 6: 32 } as const;

/** mr_ipcache, and what it holds. */
export class IpcacheTable {
  readonly #map: DataPlaneMaps['ipcache'];
  /** Identity by prefix, canonical text. */
  #known = new Map<string, number>();
  /** The list that was last brought in: the same list again needs no look at its entries. */
  #list: CompiledPolicy['ipcache'] | null = null;

  /** A comparison that was left off. */
  #walk: { readonly entries: ReturnType<DataPlaneMaps['ipcache']['entries']>; count: number } | null = null;

  constructor(map: DataPlaneMaps['ipcache']) {
    this.#map = map;
  }

  /** How many entries there are. */
  get count(): number {
    return this.#known.size;
  }

  async learn(pace: Pace): Promise<void> {
    const known = new Map<string, number>();
    for (const [key, { identity }] of this.#map.entries()) {
      known.set(prefixOf(key), identity);
      if (pace.isDue) await pace.rest();
    }
    this.#known = known;
    this.#list = null;
    this.#walk = null;
  }

  /** Whether the table holds something else than was written; null: `stop` said to leave off. The next call goes on there, unless something was written. */
  async differs(pace: Pace, stop: () => boolean): Promise<boolean | null> {
    const walk = this.#walk ?? { entries: this.#map.entries(), count: 0 };
    this.#walk = walk;
    for (let next = walk.entries.next(); next.done !== true; next = walk.entries.next()) {
      const [key, { identity }] = next.value;
      walk.count += 1;
      if (this.#known.get(prefixOf(key)) !== identity) {
        this.#walk = null;
        return true;
      }
      if (pace.isDue) await pace.rest();
      if (stop()) return null;
    }
    this.#walk = null;
    return walk.count !== this.#known.size;
  }

  /** Writes what is new or has another identity, then removes what is not listed. @throws SysError ENOSPC; RangeError */
  async bring(list: CompiledPolicy['ipcache'], pace: Pace): Promise<TableCounts> {
    if (list === this.#list) return { written: 0, removed: 0 };
    this.#walk = null;
    const changed = list.filter(({ prefix, identity }) => this.#known.get(prefix) !== identity);
    for (let at = 0; at < changed.length; at += chunk) {
      const part = changed.slice(at, at + chunk);
      this.#map.setMany(part.map((entry) => [ipcacheKey(entry), { identity: entry.identity }]));
      for (const { prefix, identity } of part) this.#known.set(prefix, identity);
      if (pace.isDue) await pace.rest();
    }
    const gone = this.#known.size === list.length ? [] : this.#unlisted(list);
    for (let at = 0; at < gone.length; at += chunk) {
      const part = gone.slice(at, at + chunk);
      this.#map.deleteMany(part.map((prefix) => ipcacheKey({ prefix })));
      for (const prefix of part) this.#known.delete(prefix);
      if (pace.isDue) await pace.rest();
    }
    this.#list = list;
    return { written: changed.length, removed: gone.length };
  }

  #unlisted(list: CompiledPolicy['ipcache']): readonly string[] {
    const listed = new Set(list.map(({ prefix }) => prefix));
    return [...this.#known.keys()].filter((prefix) => !listed.has(prefix));
  }
}

function prefixOf({ prefixlen, family, addr }: IpcacheKey): string {
  const version = family === 4 ? 4 : 6;
  return formatCidr({ family: version, address: version === 4 ? addr.subarray(12) : addr, prefix: prefixlen - keyBits[version] });
}
