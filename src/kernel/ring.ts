import { MapType } from './bpf-constants.ts';
import { pageSize } from './libc.ts';
import { mapInfo } from './map-info.ts';
import { MappedMemory } from './mapped-memory.ts';
import type { FdPoller } from './poller.ts';

const busyBit = 0x8000_0000 | 0;
const discardBit = 0x4000_0000;
const lengthMask = 0x3fff_ffff;
const headerBytes = 8;

/** Called for one record: `length` bytes of `view` from `offset`. The record is valid only until the callback returns. */
export type RecordHandler = (view: DataView, offset: number, length: number) => void;

/**
 * Reads a BPF ring buffer in place: the kernel's pages are mapped and parsed here, without a native call or a copy per record. Layout:
 * kernel/bpf/ringbuf.c. Exactly one reader may exist per ring.
 */
export class RingReader implements Disposable {
  readonly #consumerPage: MappedMemory;
  readonly #producerPages: MappedMemory;
  readonly #consumer: BigUint64Array;
  readonly #producer: Int32Array;
  readonly #headers: Int32Array;
  readonly #records: DataView;
  readonly #size: number;
  #position: number;
  #open = true;

  /** `fd` is that of a RINGBUF map and may be closed afterwards. @throws TypeError for another type of map; SysError */
  constructor(fd: number) {
    const info = mapInfo(fd);
    if (info.typeNumber !== MapType.RINGBUF) throw new TypeError(`Cannot read the ring ${info.name} because its type is ${info.type}`);
    const page = pageSize();
    this.#size = info.maxEntries;
    this.#consumerPage = MappedMemory.map(fd, page, 'write');
    try {
      // The kernel maps the data twice in a row, so that no record wraps.
      this.#producerPages = MappedMemory.map(fd, page + 2 * this.#size, 'read', page);
    } catch (error) {
      this.#consumerPage.close();
      throw error;
    }
    this.#consumer = new BigUint64Array(this.#consumerPage.buffer, 0, 1);
    this.#producer = new Int32Array(this.#producerPages.buffer, 0, 2);
    this.#headers = new Int32Array(this.#producerPages.buffer, page);
    this.#records = new DataView(this.#producerPages.buffer, page);
    this.#position = Number(Atomics.load(this.#consumer, 0));
  }

  /** Bytes that were read of this ring since it was made, by whomever: records with their heads. */
  get position(): number {
    return this.#position;
  }

  /**
   * Hands out the records that are there, at most `maximum`, and returns how many that were. A record whose handler throws counts as
   * read; the exception goes on.
   */
  consume(handler: RecordHandler, maximum: number): number {
    if (!this.#open) throw new Error('Cannot read a ring because it is closed');
    let count = 0;
    let position = this.#position;
    // Positions grow without end and stay exact below 2^53; their low 32 bits tell empty from full because a ring is smaller than that.
    const produced = Atomics.load(this.#producer, 0);
    try {
      while ((position | 0) !== produced && count < maximum) {
        const at = position % this.#size;
        const header = Atomics.load(this.#headers, at >> 2);
        // A program is still writing it, and the ones behind it must wait.
        if ((header & busyBit) !== 0) break;
        const length = header & lengthMask;
        position += (length + headerBytes + 7) & ~7;
        if ((header & discardBit) !== 0) continue;
        count += 1;
        handler(this.#records, at + headerBytes, length);
      }
    } finally {
      if (position !== this.#position) {
        this.#position = position;
        Atomics.store(this.#consumer, 0, BigInt(position));
      }
    }
    return count;
  }

  /** Unmaps the ring. Twice is once. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#consumerPage.close();
    this.#producerPages.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Enough for a million records a second, and under a millisecond for handlers that take less than a microsecond. */
const recordsPerTurn = 1000;

export interface RingWatch {
  /** Records in one turn of the event loop, at most. */
  readonly maximum?: number;
  /** Looks so often without being woken: for rings whose programs wake the reader only when much waits. Milliseconds. */
  readonly everyMilliseconds?: number;
}

/**
 * Calls `handler` for every record of a ring as it comes, or at the latest after `everyMilliseconds`. `map` must stay open until the returned
 * object is closed.
 */
export function watchRing(
  poller: FdPoller,
  map: { readonly fd: number },
  handler: RecordHandler,
  { maximum = recordsPerTurn, everyMilliseconds }: RingWatch = {},
): Disposable & { close(): void } {
  const reader = new RingReader(map.fd);
  let remove: (() => void) | null;
  let turn: NodeJS.Immediate | undefined;
  const look = (): void => {
    clearImmediate(turn);
    // more than fits into a turn is not waited for again
    if (reader.consume(handler, maximum) === maximum && everyMilliseconds !== undefined) turn = setImmediate(look);
  };
  try {
    remove = poller.add(map.fd, () => reader.consume(handler, maximum));
  } catch (error) {
    reader.close();
    throw error;
  }
  const timer = everyMilliseconds === undefined ? undefined : setInterval(look, everyMilliseconds);
  const close = (): void => {
    clearInterval(timer);
    clearImmediate(turn);
    remove?.();
    remove = null;
    reader.close();
  };
  return { close, [Symbol.dispose]: close };
}
