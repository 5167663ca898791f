import { MillraceError } from '../base/errors.ts';

/** Numbers for keys: the same key has the same number while it is held, and a freed number comes back only after all others were used. */
export class NumberAllocator {
  readonly #first: number;
  readonly #last: number;
  readonly #what: string;
  readonly #byKey = new Map<string, number>();
  readonly #used = new Set<number>();
  #next: number;

  /** `what` is for the message when none is left. `taken` are given to nobody before all others were used, but to whom they are asked for. */
  constructor(first: number, last: number, what: string, taken: Iterable<number> = []) {
    this.#first = first;
    this.#last = last;
    this.#what = what;
    this.#next = first;
    for (const number of taken) if (number >= this.#next && number < last) this.#next = number + 1;
  }

  /** The number of `key`; where it has none the `wished` one, if it is free, or a new one. Throws MillraceError IDENTITIES_EXHAUSTED where all are held. */
  numberOf(key: string, wished?: number): number {
    const held = this.#byKey.get(key);
    if (held !== undefined) return held;
    if (this.#used.size > this.#last - this.#first) {
      throw new MillraceError(
        'IDENTITIES_EXHAUSTED',
        `Cannot number ${this.#what} because all numbers are taken: current value ${this.#used.size}`,
      );
    }
    const number = wished !== undefined && this.#isFree(wished) ? wished : this.#new();
    this.#byKey.set(key, number);
    this.#used.add(number);
    return number;
  }

  free(key: string): void {
    const number = this.#byKey.get(key);
    if (number === undefined) return;
    this.#byKey.delete(key);
    this.#used.delete(number);
  }

  #isFree(number: number): boolean {
    return number >= this.#first && number <= this.#last && !this.#used.has(number);
  }

  #new(): number {
    while (this.#used.has(this.#next)) this.#advance();
    const number = this.#next;
    this.#advance();
    return number;
  }

  #advance(): void {
    this.#next = this.#next === this.#last ? this.#first : this.#next + 1;
  }
}
