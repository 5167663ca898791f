import { MillraceError } from '../base/errors.ts';
import { Attr } from './attr.ts';
import type { MapTypeName, UpdateMode } from './bpf-constants.ts';
import { MapFlag, MapType, UpdateFlag } from './bpf-constants.ts';
import { objectGet, objectPin } from './bpf-objects.ts';
import { bpf, bpfResult } from './bpf-syscall.ts';
import type { MapCodec } from './codec.ts';
import { bpfAttr } from './layouts.ts';
import { closeFd, duplicateFd } from './libc.ts';
import type { Batch, RawMap } from './map-batch.ts';
import { batchDelete, batchEntries, batches, batchUpdate } from './map-batch.ts';
import type { MapInfo } from './map-info.ts';
import { mapInfo } from './map-info.ts';
import { possibleCpus } from './possible-cpus.ts';
import { SysError } from './sys-error.ts';

export interface MapCreation {
  readonly type: MapTypeName;
  /** At most 15 characters are kept. */
  readonly name: string;
  readonly maxEntries: number;
  readonly flags?: number;
}

const ENOENT = 2;
const perCpuTypes: ReadonlySet<number> = new Set([MapType.PERCPU_HASH, MapType.PERCPU_ARRAY, MapType.LRU_PERCPU_HASH]);

/**
 * A BPF map with typed keys and values. Every call is a system call of about a microsecond; setMany, deleteMany and entries use batches
 * where the type has them (half a microsecond an entry; under 2,000 entries, a call holds the event loop for a millisecond or two). It owns its descriptor.
 */
export class BpfMap<K, V> implements Disposable {
  readonly info: MapInfo;
  readonly codec: MapCodec<K, V>;
  readonly #raw: RawMap;
  readonly #key: Buffer;
  readonly #value: Buffer;
  readonly #keyView: DataView;
  readonly #valueView: DataView;
  readonly #elementAttr: Attr;
  readonly #keyAttr: Attr;
  #fd: number;

  private constructor(fd: number, codec: MapCodec<K, V>) {
    this.#fd = fd;
    this.codec = codec;
    this.info = mapInfo(fd);
    if (this.info.keySize !== codec.keySize || this.info.valueSize !== codec.valueSize) {
      throw new MillraceError(
        'ABI_MISMATCH',
        `Cannot use the map ${this.info.name} because its layout differs: key ${this.info.keySize} B and value ${this.info.valueSize} B, wanted ${codec.keySize} B and ${codec.valueSize} B`,
      );
    }
    const cpus = perCpuTypes.has(this.info.typeNumber) ? possibleCpus() : 0;
    const stride = cpus === 0 ? codec.valueSize : cpus * perCpuStride(codec.valueSize);
    this.#raw = { fd, name: this.info.name, keySize: codec.keySize, valueSize: stride };
    this.#key = Buffer.alloc(Math.max(codec.keySize, 1));
    this.#value = Buffer.alloc(Math.max(stride, 1));
    this.#keyView = viewOf(this.#key, 0, codec.keySize);
    this.#valueView = viewOf(this.#value, 0, codec.valueSize);
    this.#elementAttr = new Attr().u32('map_fd', fd).pointer('key', this.#key).pointer('value', this.#value);
    this.#keyAttr = new Attr().u32('map_fd', fd).pointer('key', this.#key);
  }

  /** Takes a copy of a descriptor that stays the caller's. @throws MillraceError ABI_MISMATCH */
  static fromFd<K, V>(fd: number, codec: MapCodec<K, V>): BpfMap<K, V> {
    return BpfMap.#own(duplicateFd(fd), codec);
  }

  /** Opens what is pinned at `path`. @throws SysError ENOENT; MillraceError ABI_MISMATCH */
  static openPinned<K, V>(path: string, codec: MapCodec<K, V>): BpfMap<K, V> {
    return BpfMap.#own(objectGet(path), codec);
  }

  /** Makes a map without an object file: for probes and tests. LPM tries get the flag they need. */
  static create<K, V>(creation: MapCreation, codec: MapCodec<K, V>): BpfMap<K, V> {
    const flags = (creation.flags ?? 0) | (creation.type === 'LPM_TRIE' ? MapFlag.NO_PREALLOC : 0);
    const attr = new Attr()
      .u32('map_type', MapType[creation.type])
      .u32('key_size', codec.keySize)
      .u32('value_size', codec.valueSize)
      .u32('max_entries', creation.maxEntries)
      .u32('map_flags', flags)
      .objectName('map_name', creation.name);
    return BpfMap.#own(bpf('MAP_CREATE', attr, creation.name), codec);
  }

  static #own<K, V>(fd: number, codec: MapCodec<K, V>): BpfMap<K, V> {
    try {
      return new BpfMap(fd, codec);
    } catch (error) {
      closeFd(fd);
      throw error;
    }
  }

  /** The descriptor, still owned by the map. @throws Error after close() */
  get fd(): number {
    if (this.#fd < 0) throw new Error(`Cannot use the map ${this.info.name} because it is closed`);
    return this.#fd;
  }

  /** The value of `key`, or null. Per-CPU maps: see getPerCpu. */
  get(key: K): V | null {
    return this.#lookup(key) ? this.codec.readValue(this.#valueView) : null;
  }

  /** One value per possible CPU, in CPU order, or null. Only for per-CPU maps. */
  getPerCpu(key: K): V[] | null {
    if (!perCpuTypes.has(this.info.typeNumber))
      throw new TypeError(`Cannot read ${this.info.name} per CPU because its type is ${this.info.type}`);
    return this.#lookup(key) ? this.#perCpuValues(this.#value) : null;
  }

  /**
   * Writes a value. `any` creates or replaces, `noexist` only creates, `exist` only replaces. A value of a per-CPU map is written to
   * every CPU. Values of sock maps are socket descriptors.
   * @throws SysError EEXIST, ENOENT (by mode), E2BIG (full)
   */
  set(key: K, value: V, mode: UpdateMode = 'any'): void {
    this.#checkOpen();
    this.codec.writeKey(key, this.#keyView);
    this.#writeValue(value, this.#value);
    this.#elementAttr.u64('flags', BigInt(UpdateFlag[mode]));
    const result = bpfResult('MAP_UPDATE_ELEM', this.#elementAttr.bytes);
    if (result < 0) throw new SysError(`bpf(MAP_UPDATE_ELEM ${this.info.name})`, -result);
  }

  /** Removes a key; false when it was not there. */
  delete(key: K): boolean {
    this.#checkOpen();
    this.codec.writeKey(key, this.#keyView);
    const result = bpfResult('MAP_DELETE_ELEM', this.#keyAttr.bytes);
    if (result === -ENOENT) return false;
    if (result < 0) throw new SysError(`bpf(MAP_DELETE_ELEM ${this.info.name})`, -result);
    return true;
  }

  /** Writes many values (mode `any`). Not atomic: after an error some are written. @throws SysError */
  setMany(entries: Iterable<readonly [K, V]>): void {
    this.#checkOpen();
    const list = [...entries];
    const keys = Buffer.alloc(list.length * this.#raw.keySize);
    const values = Buffer.alloc(list.length * this.#raw.valueSize);
    for (const [index, [key, value]] of list.entries()) {
      this.codec.writeKey(key, viewOf(keys, index * this.#raw.keySize, this.#raw.keySize));
      this.#writeValue(value, values.subarray(index * this.#raw.valueSize, (index + 1) * this.#raw.valueSize));
    }
    batchUpdate(this.#raw, keys, values);
  }

  /** Removes many keys; those that are not there are passed over. Returns how many were. */
  deleteMany(keys: Iterable<K>): number {
    this.#checkOpen();
    const list = [...keys];
    const bytes = Buffer.alloc(list.length * this.#raw.keySize);
    for (const [index, key] of list.entries()) this.codec.writeKey(key, viewOf(bytes, index * this.#raw.keySize, this.#raw.keySize));
    return batchDelete(this.#raw, bytes);
  }

  /** All entries, in no order. Entries written or removed meanwhile may or may not be seen. Values of per-CPU maps are those of CPU 0. */
  *entries(): Generator<[K, V]> {
    for (const [key, value] of this.#rawEntries()) {
      yield [this.codec.readKey(viewOf(key, 0, key.length)), this.codec.readValue(viewOf(value, 0, this.codec.valueSize))];
    }
  }

  /** All entries of a per-CPU map, one value per possible CPU. */
  *entriesPerCpu(): Generator<[K, V[]]> {
    for (const [key, value] of this.#rawEntries()) yield [this.codec.readKey(viewOf(key, 0, key.length)), this.#perCpuValues(value)];
  }

  /** All entries as bytes, for whoever compares more than they read. The buffers are used again by the next step: copy what you keep. */
  *bytes(): Generator<readonly [Buffer, Buffer]> {
    yield* this.#rawEntries();
  }

  /**
   * All entries as bytes and in lots, for whoever looks at a hundred thousand of them: nothing is made for each. A lot is at most a thousand or two, half a
   * microsecond an entry. The buffers are used again by the next step. `keys`: also of maps whose values user space cannot read.
   */
  *batches(wanted: 'entries' | 'keys' = 'entries'): Generator<Batch> {
    this.#checkOpen();
    yield* batches(this.#raw, wanted === 'entries');
  }

  /** All keys, also of maps whose values user space cannot read (sock maps with 4-byte values). Deleting a key that was seen is fine. */
  *keys(): Generator<K> {
    this.#checkOpen();
    for (const [key] of batchEntries(this.#raw, false)) yield this.codec.readKey(viewOf(key, 0, key.length));
  }

  /** How many entries there are now: walks them, so half a microsecond each. For arrays: their length. */
  count(): number {
    this.#checkOpen();
    let count = 0;
    for (const _ of batchEntries(this.#raw, false)) count += 1;
    return count;
  }

  /** Makes the map read-only for user space, for good. */
  freeze(): void {
    bpf('MAP_FREEZE', new Attr().u32('map_fd', this.fd), this.info.name);
  }

  /** Gives the map a name in a bpf file system, where it outlives us. @throws SysError EEXIST */
  pin(path: string): void {
    objectPin(this.fd, path);
  }

  /** Closes our descriptor; pins and programs may still hold the map. Twice is once. */
  close(): void {
    if (this.#fd < 0) return;
    const fd = this.#fd;
    this.#fd = -1;
    closeFd(fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  *#rawEntries(): Generator<readonly [Buffer, Buffer]> {
    this.#checkOpen();
    yield* batchEntries(this.#raw, true);
  }

  /** A closed descriptor's number may already belong to something else: never let one reach the kernel. */
  #checkOpen(): void {
    if (this.#fd < 0) throw new Error(`Cannot use the map ${this.info.name} because it is closed`);
  }

  #lookup(key: K): boolean {
    this.#checkOpen();
    this.codec.writeKey(key, this.#keyView);
    this.#elementAttr.bytes.fill(0, bpfAttr.flags, bpfAttr.flags + 8);
    const result = bpfResult('MAP_LOOKUP_ELEM', this.#elementAttr.bytes);
    if (result === -ENOENT) return false;
    if (result < 0) throw new SysError(`bpf(MAP_LOOKUP_ELEM ${this.info.name})`, -result);
    return true;
  }

  #writeValue(value: V, into: Buffer): void {
    for (let at = 0; at < into.length; at += perCpuStride(this.codec.valueSize))
      this.codec.writeValue(value, viewOf(into, at, this.codec.valueSize));
  }

  #perCpuValues(from: Buffer): V[] {
    const values: V[] = [];
    for (let at = 0; at < from.length; at += perCpuStride(this.codec.valueSize))
      values.push(this.codec.readValue(viewOf(from, at, this.codec.valueSize)));
    return values;
  }
}

function perCpuStride(valueSize: number): number {
  return Math.ceil(valueSize / 8) * 8;
}

function viewOf(buffer: Buffer, offset: number, length: number): DataView {
  return new DataView(buffer.buffer, buffer.byteOffset + offset, length);
}
