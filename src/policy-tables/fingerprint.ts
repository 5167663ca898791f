import { randomBytes } from 'node:crypto';

/**
 * Tells whether two sets of rows are equal without keeping both: a sum over hashes of the rows, in any order. 64 bits, keyed anew by each
 * process, so that nobody can make two sets that look the same.
 */
export class Fingerprint {
  #count = 0;
  #one = 0;
  #other = 0;

  /** Adds one row of mr_policy: the bytes of its key and value. The policy's own number does not count. */
  add(key: Uint8Array, value: Uint8Array): void {
    let one = seeds[0];
    let other = seeds[1];
    for (let at = 0; at < key.length; at += 4) {
      // bytes 4 to 7 are the number
      if (at === 4) continue;
      const word = wordAt(key, at);
      one = mix(one ^ word, multipliers[0]);
      other = mix(other ^ word, multipliers[1]);
    }
    for (let at = 0; at < value.length; at += 4) {
      const word = wordAt(value, at);
      one = mix(one ^ word, multipliers[0]);
      other = mix(other ^ word, multipliers[1]);
    }
    this.#count += 1;
    this.#one = (this.#one + one) | 0;
    this.#other = (this.#other + other) | 0;
  }

  /** How many rows were added. */
  get count(): number {
    return this.#count;
  }

  equals(other: Fingerprint): boolean {
    return this.#count === other.#count && this.#one === other.#one && this.#other === other.#other;
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
