import type { Timestamp } from './types.ts';

/** Two clocks of one machine. */
export interface Clocks {
  /** CLOCK_MONOTONIC, which the kernel stamps events with: process.hrtime.bigint(). */
  monotonicNs(): bigint;
  /** Milliseconds since 1970: Date.now(). */
  wallMs(): number;
}

/** How far the two may drift apart before the difference is read again. Less would let the times of neighbouring events change their order. */
const toleranceNs = 20_000_000n;

/** Turns the kernel's monotonic times into times of day, in one unbroken line until somebody sets the machine's clock. */
export class WallClock {
  readonly #clocks: Clocks;
  #offset: bigint;

  constructor(clocks: Clocks) {
    this.#clocks = clocks;
    this.#offset = this.#difference();
  }

  /** Notices that the machine's clock was set; call it every second or so. */
  sync(): void {
    const now = this.#difference();
    const moved = now - this.#offset;
    if (moved > toleranceNs || moved < -toleranceNs) this.#offset = now;
  }

  /** The time of day of a monotonic time, in nanoseconds since 1970. */
  wallNs(monotonicNs: bigint): bigint {
    return monotonicNs + this.#offset;
  }

  /** This moment, in nanoseconds since 1970. */
  nowNs(): bigint {
    return this.wallNs(this.#clocks.monotonicNs());
  }

  #difference(): bigint {
    return BigInt(this.#clocks.wallMs()) * 1_000_000n - this.#clocks.monotonicNs();
  }
}

/** Nanoseconds since 1970 in the two parts that the API has. */
export function timestampOf(ns: bigint): Timestamp {
  return { seconds: ns / 1_000_000_000n, nanos: Number(ns % 1_000_000_000n) };
}

/** The reverse of `timestampOf`. */
export function nanosecondsOf(time: Timestamp): bigint {
  return time.seconds * 1_000_000_000n + BigInt(time.nanos);
}
