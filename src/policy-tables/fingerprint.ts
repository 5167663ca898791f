import { randomBytes } from 'node:crypto';

/** Of the rows of one table; sizes are multiples of four. */
export interface RowLayout {
  readonly keySize: number;
  readonly valueSize: number;
  /** Where in the key four bytes lie that do not count; null: all count. */
  readonly ignored: number | null;
}

/**
 * Tells whether two sets of rows are equal without keeping both: a sum over hashes of the rows, in any order. 64 bits, keyed anew by each
 * process, so that nobody can make two sets that look the same.
 */
export class Fingerprint {
  readonly #layout: RowLayout;
  #count = 0;
  #one = 0;
  #other = 0;

  constructor(layout: RowLayout) {
    this.#layout = layout;
  }

  /** Adds the row that has its key and its value at these places; by position, because nothing may be made for each of a hundred thousand rows. */
  add(keys: Uint8Array, keyAt: number, values: Uint8Array, valueAt: number): void {
    this.#count += 1;
    this.#one = (this.#one + this.#hash(keys, keyAt, values, valueAt, seeds[0], multipliers[0])) | 0;
    this.#other = (this.#other + this.#hash(keys, keyAt, values, valueAt, seeds[1], multipliers[1])) | 0;
  }

  /** Takes out a row that was added. */
  remove(keys: Uint8Array, keyAt: number, values: Uint8Array, valueAt: number): void {
    this.#count -= 1;
    this.#one = (this.#one - this.#hash(keys, keyAt, values, valueAt, seeds[0], multipliers[0])) | 0;
    this.#other = (this.#other - this.#hash(keys, keyAt, values, valueAt, seeds[1], multipliers[1])) | 0;
  }

  /** How many rows were added. */
  get count(): number {
    return this.#count;
  }

  equals(other: Fingerprint): boolean {
    return this.#count === other.#count && this.#one === other.#one && this.#other === other.#other;
  }

  #hash(keys: Uint8Array, keyAt: number, values: Uint8Array, valueAt: number, seed: number, multiplier: number): number {
    const { keySize, valueSize, ignored } = this.#layout;
    let hash = seed;
    for (let at = 0; at < keySize; at += 4) if (at !== ignored) hash = mix(hash ^ wordAt(keys, keyAt + at), multiplier);
    for (let at = 0; at < valueSize; at += 4) hash = mix(hash ^ wordAt(values, valueAt + at), multiplier);
    return hash;
  }
}

const [seedOne, seedOther, multiplierOne, multiplierOther] = randomWords();
const seeds = [seedOne, seedOther] as const;
// odd, so that no bit of the hash is lost
const multipliers = [multiplierOne | 1, multiplierOther | 1] as const;

function randomWords(): readonly [number, number, number, number] {
  const bytes = randomBytes(16);
  return [bytes.readInt32LE(0), bytes.readInt32LE(4), bytes.readInt32LE(8), bytes.readInt32LE(12)];
}

function mix(hash: number, multiplier: number): number {
  const product = Math.imul(hash, multiplier);
  const folded = Math.imul(product ^ (product >>> 15), 0x85ebca6b);
  return folded ^ (folded >>> 13);
}

function wordAt(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24);
}
