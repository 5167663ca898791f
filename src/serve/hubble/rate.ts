const seconds = 60;

/** How many flows came in the last minute, without keeping each of them. */
export class MinuteRate {
  readonly #counts = new Uint32Array(seconds);
  #second = 0;
  readonly #startMs: number;

  constructor(nowMs: number) {
    this.#startMs = nowMs;
    this.#second = Math.floor(nowMs / 1000);
  }

  add(count: number, nowMs: number): void {
    this.#advance(nowMs);
    const slot = this.#second % seconds;
    this.#counts[slot] = (this.#counts[slot] ?? 0) + count;
  }

  /** Per second, over the last minute or since the start. */
  perSecond(nowMs: number): number {
    this.#advance(nowMs);
    const total = this.#counts.reduce((sum, count) => sum + count, 0);
    return total / Math.max(1, Math.min(seconds, (nowMs - this.#startMs) / 1000));
  }

  #advance(nowMs: number): void {
    const second = Math.floor(nowMs / 1000);
    if (second - this.#second >= seconds) this.#counts.fill(0);
    else for (let passed = this.#second + 1; passed <= second; passed++) this.#counts[passed % seconds] = 0;
    this.#second = Math.max(this.#second, second);
  }
}
