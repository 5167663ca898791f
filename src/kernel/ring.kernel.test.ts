import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { compileBpf } from '../../test/support/compile-bpf.ts';
import type { BpfMap } from './map.ts';
import { BpfObject } from './object.ts';
import { FdPoller } from './poller.ts';
import { RingReader, watchRing } from './ring.ts';

const packet = Buffer.alloc(64);
/** Records of 16 bytes and 8 of header in a ring of 4096 bytes. */
const capacity = Math.floor(4096 / 24);
let elf: Buffer;
let object: BpfObject;
let events: BpfMap<Uint8Array, Uint8Array>;

beforeAll(() => {
  elf = compileBpf('bpf/tests/kernel_objects.bpf.c');
});

beforeEach(async () => {
  object = await BpfObject.load(elf, { name: 'ring' });
  events = object.map('events');
});

afterEach(() => {
  events.close();
  object.close();
});

const emit = (count: number): void => {
  object.program('emit').testRun(packet, { repeat: count });
};
const sequences = (reader: RingReader, maximum = 1_000_000): number[] => {
  const seen: number[] = [];
  reader.consume((view, offset, length) => {
    expect(length).toBe(16);
    expect(view.getUint32(offset + 8, true)).toBe(7);
    seen.push(Number(view.getBigUint64(offset, true)));
  }, maximum);
  return seen;
};

test('consume() hands out every record once, in order, while the ring wraps many times', () => {
  using reader = new RingReader(events.fd);
  let next = 0;
  for (let round = 0; round < 50; round += 1) {
    emit(100);
    const seen = sequences(reader);
    expect(seen).toEqual(Array.from({ length: 100 }, (_, index) => next + index));
    next += 100;
  }
  expect(sequences(reader)).toEqual([]);
});

test('consume() stops at the maximum and goes on from there', () => {
  using reader = new RingReader(events.fd);
  emit(10);
  expect(sequences(reader, 4)).toEqual([0, 1, 2, 3]);
  expect(sequences(reader, 4)).toEqual([4, 5, 6, 7]);
  expect(sequences(reader, 4)).toEqual([8, 9]);
});

test('consume() makes room: a full ring drops, and takes records again after it was read', () => {
  using reader = new RingReader(events.fd);
  emit(capacity + 50);
  const dropped = Number(object.global('dropped').getBigUint64(0, true));
  expect(dropped).toBeGreaterThan(0);
  expect(sequences(reader)).toHaveLength(capacity + 50 - dropped);
  emit(1);
  expect(sequences(reader)).toHaveLength(1);
});

test('consume() counts a record as read when its handler throws', () => {
  using reader = new RingReader(events.fd);
  emit(2);
  expect(() =>
    reader.consume(() => {
      throw new Error('bad record');
    }, 10),
  ).toThrow('bad record');
  expect(sequences(reader)).toEqual([1]);
});

test('a new reader goes on where the last one stopped', () => {
  emit(3);
  {
    using first = new RingReader(events.fd);
    expect(sequences(first, 2)).toEqual([0, 1]);
  }
  using second = new RingReader(events.fd);
  expect(sequences(second)).toEqual([2]);
});

test('RingReader throws TypeError when the map is no ring, and refuses after close()', () => {
  using numbers = object.map('numbers');
  expect(() => new RingReader(numbers.fd)).toThrow(TypeError);
  const reader = new RingReader(events.fd);
  reader.close();
  reader.close();
  expect(() => sequences(reader)).toThrow('closed');
});

test('watchRing() delivers as records come, a bounded number in one turn', async () => {
  using poller = new FdPoller();
  const seen: number[] = [];
  const turns = new Set<number>();
  let turn = 0;
  let running = true;
  const count = (): void => {
    turn += 1;
    if (running) setImmediate(count);
  };
  count();
  const watch = watchRing(
    poller,
    events,
    (view, offset) => {
      turns.add(turn);
      seen.push(Number(view.getBigUint64(offset, true)));
    },
    { maximum: 10 },
  );
  emit(95);
  await expect.poll(() => seen.length).toBe(95);
  running = false;
  expect(seen).toEqual(Array.from({ length: 95 }, (_, index) => index));
  expect(turns.size).toBeGreaterThanOrEqual(10);
  watch.close();
  watch.close();
  emit(1);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(seen).toHaveLength(95);
});

test('watchRing() finds what nobody woke it for when it looks by itself', async () => {
  using poller = new FdPoller();
  const seen: number[] = [];
  const noWakeup = 1n;
  object.global('wake_flags').setBigUint64(0, noWakeup, true);
  using _watch = watchRing(poller, events, (view, offset) => void seen.push(Number(view.getBigUint64(offset, true))), {
    maximum: 10,
    everyMilliseconds: 5,
  });
  emit(35);
  await expect.poll(() => seen.length).toBe(35);
});
