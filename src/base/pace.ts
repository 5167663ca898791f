/** Milliseconds of work after which a walk lets others have their turn. */
const slice = 2;

/** Shares the event loop: a long walk asks `isDue` after each step and awaits `rest()` when it is. One per walk. */
export class Pace {
  #since = performance.now();

  /** Whether the walk has had the event loop for 2 ms. */
  get isDue(): boolean {
    return performance.now() - this.#since > slice;
  }

  /** Lets timers, sockets and other walks run. */
  async rest(): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.#since = performance.now();
  }
}
