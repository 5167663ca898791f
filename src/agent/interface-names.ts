import { netnsInterfaces } from '../kernel/index.ts';

/** An index that nobody knows is looked for no more often than this. */
const lookMs = 1000;
/** Names that are kept; an index is not used again while the node runs, so those that are gone still answer. */
const keptNames = 8192;

/** Names of the interfaces of one network namespace, by index, of those that are gone too. */
export class InterfaceNames {
  readonly #netns: { readonly fd: number };
  readonly #names = new Map<number, string>();
  #lookedMs = Number.NEGATIVE_INFINITY;

  /** `netns` stays the caller's, who keeps it open. */
  constructor(netns: { readonly fd: number }) {
    this.#netns = netns;
  }

  /** Empty where there is none of this index. Takes half a millisecond once in a second, else none. @throws SysError */
  nameOf(index: number): string {
    const known = this.#names.get(index);
    if (known !== undefined) return known;
    const now = performance.now();
    if (now - this.#lookedMs < lookMs) return '';
    this.#lookedMs = now;
    if (this.#names.size > keptNames) this.#names.clear();
    for (const [name, found] of netnsInterfaces(this.#netns)) this.#names.set(found, name);
    return this.#names.get(index) ?? '';
  }
}
