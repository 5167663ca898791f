import type { IpcacheKey } from '../abi/gen/index.ts';
import type { Pace } from '../base/pace.ts';
import type { Batch } from '../kernel/index.ts';
import { formatCidr } from '../pods/address.ts';
import type { CompiledPolicy } from '../policy/types.ts';
import type { DataPlaneMaps } from '../redirect/ebpf/maps.ts';
import { Fingerprint } from './fingerprint.ts';
import type { TableCounts } from './rows.ts';
import { ipcacheKey } from './rows.ts';

/** Entries written with one system call: about two milliseconds. */
const chunk = 2048;
const keyBits = { 4: 32 + 96, 6: 32 } as const;
const layout = { keySize: 24, valueSize: 4, ignored: null } as const;

/** mr_ipcache, and what it holds. */
export class IpcacheTable {
  readonly #map: DataPlaneMaps['ipcache'];
  /** Identity by prefix, canonical text. */
  #known = new Map<string, number>();
  /** The list that was last brought in: the same list again needs no look at its entries. */
  #list: CompiledPolicy['ipcache'] | null = null;

  /** Of all that is known. */
  #print = new Fingerprint(layout);
  /** One row as bytes. */
  readonly #key = Buffer.alloc(layout.keySize);
  readonly #value = Buffer.alloc(layout.valueSize);
  /** A comparison that was left off. */
  #walk: { readonly batches: Iterator<Batch>; readonly print: Fingerprint } | null = null;

  constructor(map: DataPlaneMaps['ipcache']) {
    this.#map = map;
  }

  /** How many entries there are. */
  get count(): number {
    return this.#known.size;
  }

  /** Identity by prefix, as the table had it when it was last looked at, and with what was written since. */
  get entries(): ReadonlyMap<string, number> {
    return this.#known;
  }

  async learn(pace: Pace): Promise<void> {
    const known = new Map<string, number>();
    const print = new Fingerprint(layout);
    for (const { count, keys, values } of this.#map.batches()) {
      for (let index = 0; index < count; index += 1) {
        const [keyAt, valueAt] = [index * layout.keySize, index * layout.valueSize];
        print.add(keys, keyAt, values, valueAt);
        const key = this.#map.codec.readKey(new DataView(keys.buffer, keys.byteOffset + keyAt, layout.keySize));
        known.set(prefixOf(key), values.readUInt32LE(valueAt));
      }
      if (pace.isDue) await pace.rest();
    }
    this.#known = known;
    this.#print = print;
    this.#list = null;
    this.#walk = null;
  }

  /** Whether the table holds something else than was written; null: `stop` said to leave off. The next call goes on there, unless something was written. */
  async differs(pace: Pace, stop: () => boolean): Promise<boolean | null> {
    const walk = this.#walk ?? { batches: this.#map.batches(), print: new Fingerprint(layout) };
    this.#walk = walk;
    for (let next = walk.batches.next(); next.done !== true; next = walk.batches.next()) {
      const { count, keys, values } = next.value;
      for (let index = 0; index < count; index += 1) walk.print.add(keys, index * layout.keySize, values, index * layout.valueSize);
      if (pace.isDue) await pace.rest();
      if (stop()) return null;
    }
    this.#walk = null;
    return !walk.print.equals(this.#print);
  }

  /** Writes what is new or has another identity, then removes what is not listed. @throws SysError ENOSPC; RangeError */
  async bring(list: CompiledPolicy['ipcache'], pace: Pace): Promise<TableCounts> {
    if (list === this.#list) return { written: 0, removed: 0 };
    this.#walk = null;
    const changed = list.filter(({ prefix, identity }) => this.#known.get(prefix) !== identity);
    for (let at = 0; at < changed.length; at += chunk) {
      const part = changed.slice(at, at + chunk);
      const rows = part.map((entry) => ({ ...entry, key: ipcacheKey(entry) }));
      this.#map.setMany(rows.map(({ key, identity }) => [key, { identity }]));
      for (const { prefix, key, identity } of rows) this.#note(prefix, key, identity);
      if (pace.isDue) await pace.rest();
    }
    const gone = this.#known.size === list.length ? [] : this.#unlisted(list);
    for (let at = 0; at < gone.length; at += chunk) {
      const part = gone.slice(at, at + chunk);
      const rows = part.map((prefix) => ({ prefix, key: ipcacheKey({ prefix }) }));
      this.#map.deleteMany(rows.map(({ key }) => key));
      for (const { prefix, key } of rows) this.#note(prefix, key, null);
      if (pace.isDue) await pace.rest();
    }
    this.#list = list;
    return { written: changed.length, removed: gone.length };
  }

  /** What the table has for a prefix from now on; null: nothing. */
  #note(prefix: string, key: IpcacheKey, identity: number | null): void {
    const { codec } = this.#map;
    codec.writeKey(key, viewOf(this.#key));
    const before = this.#known.get(prefix);
    if (before !== undefined) {
      this.#value.writeUInt32LE(before);
      this.#print.remove(this.#key, 0, this.#value, 0);
    }
    if (identity === null) this.#known.delete(prefix);
    else {
      this.#value.writeUInt32LE(identity);
      this.#print.add(this.#key, 0, this.#value, 0);
      this.#known.set(prefix, identity);
    }
  }

  #unlisted(list: CompiledPolicy['ipcache']): readonly string[] {
    const listed = new Set(list.map(({ prefix }) => prefix));
    return [...this.#known.keys()].filter((prefix) => !listed.has(prefix));
  }
}

function viewOf(buffer: Buffer): DataView {
  return new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
}

function prefixOf({ prefixlen, family, addr }: IpcacheKey): string {
  const version = family === 4 ? 4 : 6;
  return formatCidr({ family: version, address: version === 4 ? addr.subarray(12) : addr, prefix: prefixlen - keyBits[version] });
}
