import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { scratchBpffs } from '../../test/support/scratch-kernel.ts';
import type { FieldCodec } from './codec.ts';
import { bytes, mapCodec, u32, u64 } from './codec.ts';
import { closeFd } from './libc.ts';
import { BpfMap } from './map.ts';
import { possibleCpus } from './possible-cpus.ts';
import { openSocket } from './sockets.ts';
import { SysError } from './sys-error.ts';

const numbers = mapCodec(u32, u64);
const hash = (maxEntries = 64): BpfMap<number, bigint> => BpfMap.create({ type: 'HASH', name: 'test_hash', maxEntries }, numbers);

test('get(), set() and delete() work on one key', () => {
  using map = hash();
  expect(map.get(7)).toBeNull();
  map.set(7, 2n ** 64n - 1n);
  expect(map.get(7)).toBe(2n ** 64n - 1n);
  expect(map.delete(7)).toBe(true);
  expect(map.delete(7)).toBe(false);
});

test('set() obeys noexist and exist', () => {
  using map = hash();
  expect(() => map.set(1, 1n, 'exist')).toThrow(expect.objectContaining({ errno: 'ENOENT' }));
  map.set(1, 1n, 'noexist');
  expect(() => map.set(1, 2n, 'noexist')).toThrow(expect.objectContaining({ errno: 'EEXIST' }));
  map.set(1, 3n, 'exist');
  expect(map.get(1)).toBe(3n);
});

test('set() throws E2BIG when the map is full', () => {
  using map = hash(1);
  map.set(1, 1n);
  expect(() => map.set(2, 2n)).toThrow(expect.objectContaining({ errno: 'E2BIG' }));
});

test('setMany(), entries() and deleteMany() agree over several batches', () => {
  using map = hash(20_000);
  const wanted = new Map(Array.from({ length: 10_000 }, (_, index) => [index, BigInt(index) * 3n]));
  map.setMany(wanted);
  expect(map.count()).toBe(10_000);
  expect(new Map(map.entries())).toEqual(wanted);
  expect(map.deleteMany([...wanted.keys(), 99_999])).toBe(10_000);
  expect([...map.entries()]).toEqual([]);
  map.setMany([]);
  expect(map.deleteMany([])).toBe(0);
});

test('deleteMany() passes over keys that are not there, first, last and between', () => {
  using map = hash();
  map.setMany([
    [1, 1n],
    [3, 3n],
    [5, 5n],
  ]);
  expect(map.deleteMany([0, 1, 2, 3, 4])).toBe(2);
  expect([...map.keys()]).toEqual([5]);
});

test('keys() survives that each key is deleted when it is seen', () => {
  using map = hash();
  map.setMany(Array.from({ length: 50 }, (_, index) => [index, 0n] as const));
  for (const key of map.keys()) map.delete(key);
  expect(map.count()).toBe(0);
});

test('set() of a per-CPU array writes every CPU and getPerCpu() reads them', () => {
  using map = BpfMap.create({ type: 'PERCPU_ARRAY', name: 'test_percpu', maxEntries: 2 }, mapCodec(u32, u32));
  map.set(1, 9);
  expect(map.getPerCpu(1)).toEqual(Array.from({ length: possibleCpus() }, () => 9));
  expect([...map.entriesPerCpu()].map(([key, values]) => [key, values.length])).toEqual([
    [0, possibleCpus()],
    [1, possibleCpus()],
  ]);
  expect([...map.entries()]).toEqual([
    [0, 0],
    [1, 9],
  ]);
});

test('getPerCpu() throws TypeError when the map is not per CPU', () => {
  using map = hash();
  expect(() => map.getPerCpu(1)).toThrow(TypeError);
});

test('an array has all its entries from the start and refuses to lose one', () => {
  using map = BpfMap.create({ type: 'ARRAY', name: 'test_array', maxEntries: 3 }, numbers);
  map.setMany([
    [0, 5n],
    [2, 7n],
  ]);
  expect([...map.entries()]).toEqual([
    [0, 5n],
    [1, 0n],
    [2, 7n],
  ]);
  expect(map.get(3)).toBeNull();
  expect(() => map.delete(0)).toThrow(SysError);
});

interface Prefix {
  readonly length: number;
  readonly address: readonly number[];
}
const prefix: FieldCodec<Prefix> = {
  size: 8,
  read: (view, offset) => ({ length: view.getUint32(offset, true), address: [4, 5, 6, 7].map((at) => view.getUint8(offset + at)) }),
  write: (view, offset, value) => {
    view.setUint32(offset, value.length, true);
    for (const [index, byte] of value.address.entries()) view.setUint8(offset + 4 + index, byte);
  },
};

test('an LPM trie finds the longest prefix, and its entries can be listed and removed', () => {
  using map = BpfMap.create({ type: 'LPM_TRIE', name: 'test_lpm', maxEntries: 16 }, mapCodec(prefix, u32));
  map.setMany([
    [{ length: 8, address: [10, 0, 0, 0] }, 8],
    [{ length: 24, address: [10, 1, 2, 0] }, 24],
  ]);
  expect(map.get({ length: 32, address: [10, 1, 2, 3] })).toBe(24);
  expect(map.get({ length: 32, address: [10, 9, 9, 9] })).toBe(8);
  expect(map.get({ length: 32, address: [11, 0, 0, 1] })).toBeNull();
  expect([...map.entries()].map(([key]) => key.length).sort()).toEqual([24, 8]);
  expect(map.deleteMany([{ length: 24, address: [10, 1, 2, 0] }])).toBe(1);
  expect(map.get({ length: 32, address: [10, 1, 2, 3] })).toBe(8);
});

test.each([u32, u64] as FieldCodec<number | bigint>[])('a sockhash takes sockets by descriptor when its values have %o', (value) => {
  using map = BpfMap.create({ type: 'SOCKHASH', name: 'test_socks', maxEntries: 4 }, mapCodec(u64, value));
  const fd = openSocket({ family: 4, type: 'tcp', bind: { address: Uint8Array.of(127, 0, 0, 1), port: 0 }, listen: 1 });
  try {
    map.set(1n, value.size === 8 ? BigInt(fd) : fd);
    expect([...map.keys()]).toEqual([1n]);
    expect(map.count()).toBe(1);
    if (value.size === 8) expect([...map.entries()]).toEqual([[1n, map.get(1n)]]);
    expect(map.delete(1n)).toBe(true);
  } finally {
    closeFd(fd);
  }
});

test('a sockhash loses the entry when the socket is closed', async () => {
  using map = BpfMap.create({ type: 'SOCKHASH', name: 'test_socks', maxEntries: 4 }, mapCodec(u64, u64));
  const fd = openSocket({ family: 4, type: 'tcp', bind: { address: Uint8Array.of(127, 0, 0, 1), port: 0 }, listen: 1 });
  map.set(1n, BigInt(fd));
  closeFd(fd);
  await expect.poll(() => map.count()).toBe(0);
});

test('openPinned() finds the same map under its pin, and ABI_MISMATCH when the sizes differ', () => {
  using bpffs = scratchBpffs();
  const path = join(bpffs.path, 'map');
  using map = hash();
  map.pin(path);
  expect(() => map.pin(path)).toThrow(expect.objectContaining({ errno: 'EEXIST' }));
  using other = BpfMap.openPinned(path, numbers);
  expect(other.info).toEqual(map.info);
  expect(() => BpfMap.openPinned(path, mapCodec(u32, bytes(16)))).toThrow(expect.objectContaining({ code: 'ABI_MISMATCH' }));
  expect(() => BpfMap.openPinned(join(bpffs.path, 'nothing'), numbers)).toThrow(expect.objectContaining({ errno: 'ENOENT' }));
});

test('freeze() makes the map read-only for user space', () => {
  using map = hash();
  map.set(1, 1n);
  map.freeze();
  expect(map.get(1)).toBe(1n);
  expect(() => map.set(1, 2n)).toThrow(expect.objectContaining({ errno: 'EPERM' }));
});

test('close() twice is once, and a closed map refuses even when its descriptor belongs to something else', () => {
  const map = hash();
  const number = map.fd;
  map.close();
  map.close();
  const squatter = openSync('/dev/null', 'r');
  try {
    expect(squatter).toBeLessThanOrEqual(number);
    expect(() => map.get(1)).toThrow('closed');
    expect(() => map.set(1, 1n)).toThrow('closed');
    expect(() => [...map.entries()]).toThrow('closed');
    expect(() => map.count()).toThrow('closed');
  } finally {
    closeSync(squatter);
  }
});
