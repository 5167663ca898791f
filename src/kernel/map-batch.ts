import { Attr } from './attr.ts';
import type { BpfCommandName } from './bpf-constants.ts';
import { bpfResult } from './bpf-syscall.ts';
import { addressOf } from './ffi.ts';
import { SysError } from './sys-error.ts';

/** A map as bytes. `valueSize` counts all CPUs of a per-CPU map. */
export interface RawMap {
  readonly fd: number;
  readonly name: string;
  readonly keySize: number;
  readonly valueSize: number;
}

const ENOENT = 2;
const EINVAL = 22;
const ENOSPC = 28;
const ENOTSUPP = 524;

/** At most this many entries per call: about a millisecond each. */
const chunk = 4096;

function noBatches(result: number): boolean {
  return result === -ENOTSUPP || result === -EINVAL;
}

function fail(command: BpfCommandName, map: RawMap, result: number): never {
  throw new SysError(`bpf(${command} ${map.name})`, -result);
}

function batchAttr(map: RawMap, keys: Buffer, values: Buffer, count: number): Attr {
  return new Attr().pointer('batch.keys', keys).pointer('batch.values', values).u32('batch.count', count).u32('batch.map_fd', map.fd);
}

/** Writes entries given as two arrays of bytes; entry by entry where the type has no batches. */
export function batchUpdate(map: RawMap, keys: Buffer, values: Buffer): void {
  const total = keys.length / map.keySize;
  for (let done = 0; done < total; ) {
    const count = Math.min(chunk, total - done);
    const attr = batchAttr(map, keys.subarray(done * map.keySize), values.subarray(done * map.valueSize), count);
    const result = bpfResult('MAP_UPDATE_BATCH', attr.bytes);
    if (noBatches(result)) {
      singleUpdate(map, keys, values, done);
      return;
    }
    if (result < 0) fail('MAP_UPDATE_BATCH', map, result);
    done += count;
  }
}

function singleUpdate(map: RawMap, keys: Buffer, values: Buffer, from: number): void {
  const attr = new Attr().u32('map_fd', map.fd);
  for (let index = from; index < keys.length / map.keySize; index += 1) {
    attr.u64('key', addressOf(keys.subarray(index * map.keySize))).u64('value', addressOf(values.subarray(index * map.valueSize)));
    const result = bpfResult('MAP_UPDATE_ELEM', attr.bytes);
    if (result < 0) fail('MAP_UPDATE_ELEM', map, result);
  }
}

/** Removes keys given as an array of bytes and returns how many were there. */
export function batchDelete(map: RawMap, keys: Buffer): number {
  const total = keys.length / map.keySize;
  let deleted = 0;
  for (let done = 0; done < total; ) {
    const count = Math.min(chunk, total - done);
    const attr = batchAttr(map, keys.subarray(done * map.keySize), Buffer.alloc(0), count);
    const result = bpfResult('MAP_DELETE_BATCH', attr.bytes);
    if (noBatches(result)) return deleted + singleDelete(map, keys, done);
    // A key that is not there ends the batch; the kernel says how many went before it.
    if (result < 0 && result !== -ENOENT) fail('MAP_DELETE_BATCH', map, result);
    const gone = attr.readU32('batch.count');
    deleted += gone;
    done += result === -ENOENT ? gone + 1 : count;
  }
  return deleted;
}

function singleDelete(map: RawMap, keys: Buffer, from: number): number {
  const attr = new Attr().u32('map_fd', map.fd);
  let deleted = 0;
  for (let index = from; index < keys.length / map.keySize; index += 1) {
    const result = bpfResult('MAP_DELETE_ELEM', attr.u64('key', addressOf(keys.subarray(index * map.keySize))).bytes);
    if (result < 0 && result !== -ENOENT) fail('MAP_DELETE_ELEM', map, result);
    if (result === 0) deleted += 1;
  }
  return deleted;
}

/** Entries that were read together, one behind the other in both buffers. */
export interface Batch {
  readonly count: number;
  readonly keys: Buffer;
  readonly values: Buffer;
}

/** Keys and values one after another; as `batches`. */
export function* batchEntries(map: RawMap, withValues: boolean): Generator<readonly [Buffer, Buffer]> {
  for (const { count, keys, values } of batches(map, withValues)) {
    for (let index = 0; index < count; index += 1) {
      yield [
        keys.subarray(index * map.keySize, (index + 1) * map.keySize),
        values.subarray(index * map.valueSize, (index + 1) * map.valueSize),
      ];
    }
  }
}

/**
 * Keys and values, batch by batch, or one by one where the type has no batches; there, values are read only when asked for. The buffers
 * yielded are valid until the next step.
 */
export function* batches(map: RawMap, withValues: boolean): Generator<Batch> {
  let capacity = 1024;
  let keys = Buffer.alloc(capacity * map.keySize);
  let values = Buffer.alloc(capacity * map.valueSize);
  // Hash maps keep a bucket number in the token, the others a whole key.
  const token = Buffer.alloc(Math.max(8, map.keySize));
  for (let started = false; ; ) {
    const attr = batchAttr(map, keys, values, capacity).pointer('batch.out_batch', token);
    if (started) attr.pointer('batch.in_batch', token);
    const result = bpfResult('MAP_LOOKUP_BATCH', attr.bytes);
    if (!started && noBatches(result)) return yield* singleEntries(map, withValues);
    if (result === -ENOSPC) {
      // One bucket holds more than fits: the same step again with more room.
      capacity *= 2;
      keys = Buffer.alloc(capacity * map.keySize);
      values = Buffer.alloc(capacity * map.valueSize);
      continue;
    }
    if (result < 0 && result !== -ENOENT) fail('MAP_LOOKUP_BATCH', map, result);
    started = true;
    yield { count: attr.readU32('batch.count'), keys, values };
    // The last batch comes together with ENOENT.
    if (result === -ENOENT) return;
  }
}

/**
 * Keys (and values) one by one. The next key is asked for before the current one is handed out, so the consumer may delete it; if the
 * next one vanishes meanwhile, the kernel starts over, hence the bound. Keys whose value vanished are passed over.
 */
function* singleEntries(map: RawMap, withValues: boolean): Generator<Batch> {
  let current = Buffer.alloc(map.keySize);
  let next = Buffer.alloc(map.keySize);
  const value = Buffer.alloc(withValues ? map.valueSize : 0);
  if (nextKey(map, null, current) === false) return;
  const seen = new Set<string>();
  for (let more = true; more; [current, next] = [next, current]) {
    more = nextKey(map, current, next);
    const identity = current.toString('latin1');
    if (seen.has(identity)) return;
    seen.add(identity);
    if (!withValues || lookup(map, current, value)) yield { count: 1, keys: current, values: value };
  }
}

function nextKey(map: RawMap, key: Buffer | null, next: Buffer): boolean {
  const attr = new Attr()
    .u32('map_fd', map.fd)
    .pointer('key', key ?? Buffer.alloc(0))
    .pointer('next_key', next);
  const result = bpfResult('MAP_GET_NEXT_KEY', attr.bytes);
  if (result < 0 && result !== -ENOENT) fail('MAP_GET_NEXT_KEY', map, result);
  return result === 0;
}

function lookup(map: RawMap, key: Buffer, value: Buffer): boolean {
  const result = bpfResult('MAP_LOOKUP_ELEM', new Attr().u32('map_fd', map.fd).pointer('key', key).pointer('value', value).bytes);
  if (result < 0 && result !== -ENOENT) fail('MAP_LOOKUP_ELEM', map, result);
  return result === 0;
}
