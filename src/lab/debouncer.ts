/** Runs asynchronous work once for any number of requests within a moment, never twice at a time. Owns its timer. */
export class Debouncer {
  readonly #waitMs: number;
  readonly #work: () => Promise<void>;
  #timer: NodeJS.Timeout | null = null;
  #running: Promise<void> | null = null;
  #again = false;
  #closed = false;

  /** @param work must not reject */
  constructor(waitMs: number, work: () => Promise<void>) {
    this.#waitMs = waitMs;
    this.#work = work;
  }

  /** Whether work is waiting or under way. */
  get busy(): boolean {
    return this.#timer !== null || this.#running !== null;
  }

  request(): void {
    if (this.#closed) return;
    if (this.#running !== null) {
      this.#again = true;
      return;
    }
    this.#timer ??= setTimeout(() => this.#start(), this.#waitMs);
  }

  /** Does what is asked for now and resolves when nothing is left. */
  async flush(): Promise<void> {
    while (this.busy) {
      if (this.#timer !== null) this.#start();
      await this.#running;
    }
  }

  /** Drops what waits and waits for what runs. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#again = false;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    await this.#running;
  }

  #start(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    // Not called at once: a request that the work itself makes has to find #running set.
    this.#running = Promise.resolve()
      .then(this.#work)
      .finally(() => {
        this.#running = null;
        if (!this.#again) return;
        this.#again = false;
        this.request();
      });
  }
}
