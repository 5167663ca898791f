import { flowEventOffsets, flowEventSize, readFlowEvent } from '../abi/gen/index.ts';
import type { FlowContext } from './flow-of-event.ts';
import { flowOfEvent } from './flow-of-event.ts';
import type { Flow, LostEvents, Timestamp } from './types.ts';
import type { WallClock } from './wall-clock.ts';
import { nanosecondsOf, timestampOf } from './wall-clock.ts';

/** One entry of the ring of recent flows. */
export type Recent =
  | { readonly kind: 'flow'; readonly flow: Flow }
  | { readonly kind: 'lost'; readonly time: Timestamp; readonly lost: LostEvents };

/** As Hubble's, so that `hubble status` shows the same. */
export const defaultFlowCapacity = 4095;

/**
 * The newest flows. Kernel events are kept as the bytes they came in, which costs one copy of 128 bytes each; they become flows, with names, when
 * somebody asks for them. Entries have numbers that count up from 0 and are never reused.
 */
export class FlowRing {
  readonly capacity: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  /** What a slot holds where it is not undecoded bytes. */
  readonly #entries: (Recent | null)[];
  readonly #clock: WallClock;
  readonly #context: FlowContext;
  readonly #uuidPrefix: string;
  readonly #waiting = new Set<() => void>();
  #written = 0;
  #flows = 0;

  /** `random` are 10 bytes that tell this ring's flows from those of all others. */
  constructor(options: {
    readonly capacity: number;
    readonly clock: WallClock;
    readonly context: FlowContext;
    readonly random: Uint8Array;
  }) {
    this.capacity = options.capacity;
    this.#bytes = new Uint8Array(this.capacity * flowEventSize);
    this.#view = new DataView(this.#bytes.buffer);
    this.#entries = new Array<Recent | null>(this.capacity).fill(null);
    this.#clock = options.clock;
    this.#context = options.context;
    this.#uuidPrefix = uuidPrefix(options.random);
  }

  /** Numbers below this one have been written; the next entry gets it. */
  get end(): number {
    return this.#written;
  }

  /** The oldest number that is still there. */
  get start(): number {
    return Math.max(0, this.#written - this.capacity);
  }

  /** How many flows were ever written, without notes of losses. */
  get flows(): number {
    return this.#flows;
  }

  /** Keeps the 128 bytes of a struct mr_flow_event. Call `wake` after the last one of a batch. */
  appendRecord(view: DataView, offset: number): void {
    const slot = this.#written % this.capacity;
    this.#bytes.set(new Uint8Array(view.buffer, view.byteOffset + offset, flowEventSize), slot * flowEventSize);
    this.#entries[slot] = null;
    this.#written += 1;
    this.#flows += 1;
  }

  /** Keeps a flow that came as one (HTTP, DNS), under a number and a uuid of its own. Call `wake` after the last one of a batch. */
  appendFlow(flow: Flow): void {
    this.#entries[this.#written % this.capacity] = { kind: 'flow', flow: { ...flow, uuid: this.#uuid(this.#written) } };
    this.#written += 1;
    this.#flows += 1;
  }

  /** Notes that events were lost before they came here. Call `wake` afterwards. */
  appendLost(lost: LostEvents): void {
    this.#entries[this.#written % this.capacity] = { kind: 'lost', time: timestampOf(this.#clock.nowNs()), lost };
    this.#written += 1;
  }

  /** The entry with this number; null where it is overwritten or not yet there. */
  at(number: number): Recent | null {
    if (number < this.start || number >= this.#written) return null;
    const slot = number % this.capacity;
    const known = this.#entries[slot];
    if (known != null) return known;
    const event = readFlowEvent(this.#view, slot * flowEventSize);
    const time = timestampOf(this.#clock.wallNs(event.timeNs));
    const entry: Recent = { kind: 'flow', flow: flowOfEvent(event, time, this.#uuid(number), this.#context) };
    this.#entries[slot] = entry;
    return entry;
  }

  /** When the entry with this number happened, in nanoseconds since 1970, without decoding it; null as for `at`. */
  timeNsAt(number: number): bigint | null {
    if (number < this.start || number >= this.#written) return null;
    const slot = number % this.capacity;
    const entry = this.#entries[slot];
    if (entry == null) return this.#clock.wallNs(this.#view.getBigUint64(slot * flowEventSize + flowEventOffsets.timeNs, true));
    const time = entry.kind === 'flow' ? entry.flow.time : entry.time;
    return time === undefined ? 0n : nanosecondsOf(time);
  }

  /** Tells everybody who waits that there are new entries. */
  wake(): void {
    if (this.#waiting.size === 0) return;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const resume of waiting) resume();
  }

  /** Resolves when an entry with this number is there, or when `signal` aborts. */
  async until(number: number, signal: AbortSignal): Promise<void> {
    while (this.#written <= number && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const resume = (): void => {
          signal.removeEventListener('abort', resume);
          this.#waiting.delete(resume);
          resolve();
        };
        signal.addEventListener('abort', resume, { once: true });
        this.#waiting.add(resume);
      });
    }
  }

  #uuid(number: number): string {
    return this.#uuidPrefix + number.toString(16).padStart(12, '0');
  }
}

/** The first 24 characters of version 4 uuids; the rest is the number of the flow. */
function uuidPrefix(random: Uint8Array): string {
  const bytes = Uint8Array.from({ length: 10 }, (_, index) => random[index] ?? 0);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-`;
}
