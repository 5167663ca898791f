import type { NameAnswer } from '../../api/policy-types.ts';
import { readAnswer } from '../../mesh/dns/seen-answer.ts';
import type { SeenAnswer } from '../../mesh/dns/server.ts';
import { canonicalName } from '../../policy/fqdn.ts';

/** Has the agent learn what a name outside of the cluster stands for before a pod does, so that its first connection already passes. */
export class NameHold {
  readonly #domain: string;
  readonly #learn: (answer: NameAnswer) => Promise<void>;
  /** Calls under way: who asks the same waits for the same, so that a pod that asks without end costs one call at a time. */
  readonly #under = new Map<string, Promise<void>>();

  /** `domain` is the cluster's: nobody learns its names. */
  constructor(domain: string, learn: (answer: NameAnswer) => Promise<void>) {
    this.#domain = domain;
    this.#learn = learn;
  }

  /** What an answer has to wait for; null: for nothing. Rejects as `learn` does. */
  before({ message, response }: Pick<SeenAnswer, 'message' | 'response'>): Promise<void> | null {
    const read = readAnswer(message, response);
    if (read === null || read.code !== 0 || read.addresses.length === 0) return null;
    const name = canonicalName(read.query);
    if (name === this.#domain || name.endsWith(`.${this.#domain}`)) return null;
    const { addresses, ttl } = read;
    const key = JSON.stringify([name, addresses, ttl]);
    const known = this.#under.get(key);
    if (known !== undefined) return known;
    const call = this.#learn({ name, addresses, ttl }).finally(() => this.#under.delete(key));
    this.#under.set(key, call);
    return call;
  }
}
