import { MillraceError } from '../base/errors.ts';

/** Numbers for keys: the same key has the same number while it is held, and a freed number comes back only after all others were used. */
export class NumberAllocator {
  readonly #first: number;
  readonly #last: number;
  readonly #what: string;
  readonly #byKey = new Map<string, number>();
  readonly #used = new Set<number>();
  #next: number;

  /** `what` is for the message when none is left. */
  constructor(first: number, last: number, what: string) {
    this.#first = first;
    this.#last = last;
    this.#what = what;
    this.#next = first;
  }

  /** The number of `key`, a new one where it has none. Throws MillraceError IDENTITIES_EXHAUSTED where all are held. */
  numberOf(key: string): number {
    const held = this.#byKey.get(key);
    if (held !== undefined) return held;
    if (this.#used.size > this.#last - this.#first) {
      throw new MillraceError(
        'IDENTITIES_EXHAUSTED',
        `Cannot number ${this.#what} because all numbers are taken: current value ${this.#used.size}`,
      );
    }
    while (this.#used.has(this.#next)) this.#advance();
    const number = this.#next;
    this.#advance();
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

  #advance(): void {
    this.#next = this.#next === this.#last ? this.#first : this.#next + 1;
  }
}
