/** What bounds the names that are learned from DNS. Times in milliseconds. */
export const nameLimits = {
  /** The one answered longest ago leaves first. */
  addressesPerName: 50,
  /** Of all names together; those of the name that was answered longest ago leave first. */
  addresses: 4096,
  /** An answer counts for at least so long, whatever its TTL. */
  shortestMs: 60_000,
  longestMs: 24 * 3_600_000,
  /** After the TTL, so that a connection that was made just before it ended is not cut. */
  graceMs: 5 * 60_000,
} as const;

/** An address that DNS gave for a name, and when it ceases to count. */
export interface LearnedAddress {
  readonly name: string;
  readonly address: string;
  /** Since 1970, because it outlives the process. */
  readonly untilMs: number;
}

interface Entry {
  /** Address → until when, the one answered longest ago first. */
  readonly until: Map<string, number>;
  /** The addresses; the same object until they change. */
  list: readonly string[];
}

/** Addresses that DNS gave the pods for names, each until its TTL and a grace period are over. Bounded, whatever pods ask for. Pure but for the clock. */
export class LearnedNames {
  readonly #now: () => number;
  /** The name answered longest ago first. */
  readonly #entries = new Map<string, Entry>();
  #count = 0;
  #names: ReadonlyMap<string, readonly string[]> | null = null;

  /** `now` in milliseconds since 1970. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Addresses by name. The same object until one comes or goes, and the same list for a name of which none did. */
  get names(): ReadonlyMap<string, readonly string[]> {
    this.#names ??= new Map([...this.#entries].map(([name, { list }]) => [name, list]));
    return this.#names;
  }

  /** How many addresses are known, of all names. */
  get count(): number {
    return this.#count;
  }

  /** Takes over an answer; `ttl` in seconds. The name is canonical (src/policy/fqdn.ts), and so are the addresses. */
  learn(name: string, addresses: readonly string[], ttl: number): void {
    const { addressesPerName, shortestMs, longestMs, graceMs } = nameLimits;
    const untilMs = this.#now() + Math.min(Math.max(ttl * 1000, shortestMs), longestMs) + graceMs;
    for (const address of addresses.slice(0, addressesPerName)) this.#take({ name, address, untilMs });
  }

  /** Takes over what list() told an earlier process, but for what has ended meanwhile. */
  restore(known: Iterable<LearnedAddress>): void {
    const now = this.#now();
    // a clock that was set back must not make anything last for ever
    const latest = now + nameLimits.longestMs + nameLimits.graceMs;
    for (const one of known) if (one.untilMs > now) this.#take({ ...one, untilMs: Math.min(one.untilMs, latest) });
  }

  /** Forgets what has ended. @returns whether there was anything */
  expire(): boolean {
    const now = this.#now();
    const before = this.#count;
    for (const [name, { until }] of this.#entries) {
      for (const [address, untilMs] of until) if (untilMs <= now) this.#drop(name, address);
    }
    return this.#count < before;
  }

  /** Everything that is known, in the order in which restore() wants it. */
  *list(): Iterable<LearnedAddress> {
    for (const [name, { until }] of this.#entries) for (const [address, untilMs] of until) yield { name, address, untilMs };
  }

  #take({ name, address, untilMs }: LearnedAddress): void {
    const entry = this.#entries.get(name) ?? { until: new Map<string, number>(), list: [] };
    const before = entry.until.get(address);
    // to the end of both orders
    this.#entries.delete(name);
    this.#entries.set(name, entry);
    entry.until.delete(address);
    // an answer with a short life does not end an earlier one
    entry.until.set(address, Math.max(untilMs, before ?? 0));
    if (before !== undefined) return;
    this.#count += 1;
    this.#changed(entry);
    if (entry.until.size > nameLimits.addressesPerName) this.#dropOldest(name);
    if (this.#count > nameLimits.addresses) this.#dropOldest(this.#entries.keys().next().value ?? name);
  }

  #dropOldest(name: string): void {
    const [address] = this.#entries.get(name)?.until.keys() ?? [];
    if (address !== undefined) this.#drop(name, address);
  }

  #drop(name: string, address: string): void {
    const entry = this.#entries.get(name);
    if (entry === undefined || !entry.until.delete(address)) return;
    this.#count -= 1;
    this.#changed(entry);
    if (entry.until.size === 0) this.#entries.delete(name);
  }

  #changed(entry: Entry): void {
    entry.list = [...entry.until.keys()];
    this.#names = null;
  }
}
