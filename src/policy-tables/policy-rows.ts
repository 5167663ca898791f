import type { Pace } from '../base/pace.ts';
import type { Batch } from '../kernel/index.ts';
import { BpfMap, mapCodec } from '../kernel/index.ts';
import type { CompiledPolicy, PolicyRow, PolicyTiers } from '../policy/types.ts';
import type { DataPlaneMaps } from '../redirect/ebpf/maps.ts';
import { Fingerprint } from './fingerprint.ts';
import type { RowKey } from './rows.ts';
import { rowKeyCodec, rowName, sameTiers, tiersCodec } from './rows.ts';

/** Rows written with one system call: about two milliseconds. */
const chunk = 2048;

/** A policy's number does not count: it is another one in each process. */
const layout = { keySize: rowKeyCodec.size, valueSize: tiersCodec.size, ignored: 4 } as const;

/** A policy that is in the kernel. */
interface Present {
  /** Its number there. Compiled numbers are those of one process; the kernel's outlive it. */
  readonly number: number;
  readonly rows: readonly PolicyRow[];
}

/** mr_policy, and what it holds. */
export class PolicyRows {
  readonly #map: BpfMap<RowKey, PolicyTiers>;
  /** By compiled number. */
  readonly #present = new Map<number, Present>();
  /** What an earlier process or a failure left, by number in the kernel. */
  #left = new Map<number, Fingerprint>();
  #next = 1;
  #count = 0;
  /** Rows of policies that stay, to be removed after the identities in them have gone. */
  #gone: RowKey[] = [];
  /** Policies that nobody will look for. */
  #old: Present[] = [];
  readonly #prints = new WeakMap<readonly PolicyRow[], Fingerprint>();
  /** New policies that add() has begun to write. */
  #unfinished: Present[] = [];

  constructor(map: DataPlaneMaps['policy']) {
    this.#map = BpfMap.fromFd(map.fd, mapCodec(rowKeyCodec, tiersCodec));
  }

  get count(): number {
    return this.#count;
  }

  close(): void {
    this.#map.close();
  }

  /** The kernel's number of a compiled policy that was added. */
  numberOf(compiled: number): number {
    const present = this.#present.get(compiled);
    if (present === undefined) throw new RangeError(`Cannot name a policy because it was compiled without rows: current value ${compiled}`);
    return present.number;
  }

  /** Walks the whole table: two microseconds a row. */
  async learn(pace: Pace): Promise<void> {
    this.#present.clear();
    this.#left = new Map();
    this.#gone = [];
    this.#old = [];
    this.#unfinished = [];
    this.#count = 0;
    for (const batch of this.#map.batches()) {
      addRows(this.#left, batch);
      this.#count += batch.count;
      if (pace.isDue) await pace.rest();
    }
    this.#next = Math.max(0, ...this.#left.keys()) + 1;
  }

  /** Whether the table holds something else than was written; null: `stop` said to leave off. */
  async differs(pace: Pace, stop: () => boolean): Promise<boolean | null> {
    if (this.#left.size + this.#gone.length + this.#old.length > 0) return true;
    const found = new Map<number, Fingerprint>();
    for (const batch of this.#map.batches()) {
      addRows(found, batch);
      if (pace.isDue) await pace.rest();
      if (stop()) return null;
    }
    let known = 0;
    for (const { number, rows } of this.#present.values()) {
      if (rows.length === 0) continue;
      known += 1;
      const print = found.get(number);
      if (print?.count !== rows.length || !print.equals(this.#printOf(rows))) return true;
      if (pace.isDue) await pace.rest();
      if (stop()) return null;
    }
    return known !== found.size;
  }

  /** Rows do not change once they are compiled. */
  #printOf(rows: readonly PolicyRow[]): Fingerprint {
    const print = this.#prints.get(rows) ?? printOf(rows);
    this.#prints.set(rows, print);
    return print;
  }

  /**
   * Writes the rows that the kernel lacks: whole policies under numbers that nobody looks for yet, and single rows of identities that are new.
   * `current` tells which number in the kernel an identity is judged by now. Returns how many rows were written.
   */
  async add(compiled: CompiledPolicy, current: (identity: number) => number | undefined, pace: Pace): Promise<number> {
    let written = 0;
    for (const [compiledNumber, rows] of compiled.rows) {
      const present = this.#present.get(compiledNumber);
      if (present?.rows === rows) continue;
      if (present !== undefined) {
        written += await this.#extend(compiledNumber, present, rows, pace);
        continue;
      }
      const adopted = this.#adopt(compiled, compiledNumber, rows, current);
      const number = adopted ?? this.#next++;
      if (adopted === null) {
        this.#unfinished.push({ number, rows });
        written += await this.#write(number, rows, pace);
      }
      this.#present.set(compiledNumber, { number, rows });
    }
    for (const [compiledNumber, present] of this.#present) {
      if (compiled.rows.has(compiledNumber)) continue;
      this.#old.push(present);
      this.#present.delete(compiledNumber);
    }
    this.#unfinished = [];
    return written;
  }

  /** Removes single rows whose identities are gone. */
  async removeGone(pace: Pace): Promise<number> {
    const gone = this.#gone;
    this.#gone = [];
    return this.#delete(gone, pace);
  }

  /** Removes the policies that no subject names any more, also those of an earlier process. */
  async removeOld(pace: Pace): Promise<number> {
    const old = this.#old;
    this.#old = [];
    // programs that looked for the subject just before it moved have long come to an end
    if (old.length + this.#left.size > 0) await pace.rest();
    let removed = 0;
    for (const { number, rows } of old) removed += await this.#delete(keysOf(number, rows), pace);
    if (this.#left.size === 0) return removed;
    const left: RowKey[] = [];
    for (const key of this.#map.keys()) {
      if (this.#left.has(key.policy)) left.push(key);
      if (pace.isDue) await pace.rest();
    }
    this.#left = new Map();
    return removed + (await this.#delete(left, pace));
  }

  /** After a failure of add(): removes the new policies, which nobody looks for yet. learn() must follow. */
  async takeBack(pace: Pace): Promise<void> {
    const policies = this.#unfinished;
    this.#unfinished = [];
    for (const { number, rows } of policies) await this.#delete(keysOf(number, rows), pace);
  }

  /** What an earlier process has written for the same subjects, if it is the same to the last row. */
  #adopt(
    compiled: CompiledPolicy,
    compiledNumber: number,
    rows: readonly PolicyRow[],
    current: (identity: number) => number | undefined,
  ): number | null {
    if (this.#left.size === 0) return null;
    const subject = compiled.subjects.find(({ policy, identity }) => policy === compiledNumber && current(identity) !== undefined);
    const number = subject === undefined ? undefined : current(subject.identity);
    const left = number === undefined ? undefined : this.#left.get(number);
    if (number === undefined || left?.count !== rows.length || !left.equals(printOf(rows))) return null;
    this.#left.delete(number);
    return number;
  }

  async #extend(compiledNumber: number, { number, rows: before }: Present, rows: readonly PolicyRow[], pace: Pace): Promise<number> {
    const old = new Map(before.map((row) => [rowName(row), row]));
    const written: PolicyRow[] = [];
    for (const row of rows) {
      const name = rowName(row);
      const known = old.get(name);
      old.delete(name);
      if (known === undefined || !sameTiers(known.tiers, row.tiers)) written.push(row);
      if (known !== undefined && !sameTiers(known.tiers, row.tiers)) this.#count -= 1;
    }
    for (const row of old.values()) this.#gone.push({ policy: number, row });
    this.#present.set(compiledNumber, { number, rows });
    return this.#write(number, written, pace);
  }

  async #write(number: number, rows: readonly PolicyRow[], pace: Pace): Promise<number> {
    for (let at = 0; at < rows.length; at += chunk) {
      this.#map.setMany(rows.slice(at, at + chunk).map((row) => [{ policy: number, row }, row.tiers]));
      if (pace.isDue) await pace.rest();
    }
    this.#count += rows.length;
    return rows.length;
  }

  async #delete(keys: readonly RowKey[], pace: Pace): Promise<number> {
    for (let at = 0; at < keys.length; at += chunk) {
      this.#map.deleteMany(keys.slice(at, at + chunk));
      if (pace.isDue) await pace.rest();
    }
    this.#count -= keys.length;
    return keys.length;
  }
}

function keysOf(policy: number, rows: readonly PolicyRow[]): readonly RowKey[] {
  return rows.map((row) => ({ policy, row }));
}

/** Adds rows to the fingerprints of their policies. */
function addRows(prints: Map<number, Fingerprint>, { count, keys, values }: Batch): void {
  for (let index = 0; index < count; index += 1) {
    const keyAt = index * layout.keySize;
    const number = keys.readUInt32LE(keyAt + layout.ignored);
    let print = prints.get(number);
    if (print === undefined) {
      print = new Fingerprint(layout);
      prints.set(number, print);
    }
    print.add(keys, keyAt, values, index * layout.valueSize);
  }
}

function printOf(rows: readonly PolicyRow[]): Fingerprint {
  const print = new Fingerprint(layout);
  const key = Buffer.alloc(rowKeyCodec.size);
  const value = Buffer.alloc(tiersCodec.size);
  const [keyView, valueView] = [viewOf(key), viewOf(value)];
  for (const row of rows) {
    rowKeyCodec.write(keyView, 0, { policy: 0, row });
    tiersCodec.write(valueView, 0, row.tiers);
    print.add(key, 0, value, 0);
  }
  return print;
}

function viewOf(buffer: Buffer): DataView {
  return new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
}
