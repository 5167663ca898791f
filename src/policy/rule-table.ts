import type { CompiledRule, CompiledRules, Direction, MatchType, PolicyReference, PolicyRule } from './types.ts';

/** `kind namespace/name`; equal for equal references. */
export function referenceKey({ kind, namespace, name }: PolicyReference): string {
  return `${kind} ${namespace}/${name}`;
}

/** What the rule id of a default deny, or of the traffic that Millrace itself lets in, is made of. */
interface RuleSource {
  readonly policy: PolicyReference | null;
  readonly direction: Direction;
  readonly action: CompiledRule['action'];
  readonly section: number;
  readonly index: number;
  readonly name: string | null;
  readonly matchType: MatchType;
}

/** Rules on one page; a power of two. */
const pageSize = 128;

type Pages = ReadonlyMap<number, ReadonlyMap<number, CompiledRule>>;

/** The rules at one moment. There are tens of thousands and a change touches a few, so moments share the pages that are equal. */
class RulePages implements CompiledRules {
  readonly #pages: Pages;

  constructor(pages: Pages) {
    this.#pages = pages;
  }

  get(id: number): CompiledRule | undefined {
    return this.#pages.get(pageOf(id))?.get(id);
  }

  *keys(): Iterable<number> {
    for (const page of this.#pages.values()) yield* page.keys();
  }

  *values(): Iterable<CompiledRule> {
    for (const page of this.#pages.values()) yield* page.values();
  }
}

function pageOf(id: number): number {
  return Math.floor(id / pageSize);
}

/** Ids of rules: no id is given twice. */
export class RuleTable {
  readonly #pages = new Map<number, Map<number, CompiledRule>>();
  /** Pages that no snapshot has. */
  readonly #own = new Set<number>();
  #snapshot: RulePages | null = null;
  #next = 1;

  /** The id of a rule: that of `before` where the policy had such a rule already, else a new one. */
  hold(source: RuleSource, before: RuleIds): number {
    const known = before.size === 0 ? undefined : before.take(ruleKey(source));
    const id = known ?? this.#next++;
    if (known === undefined || this.get(id)?.name !== source.name) {
      const { policy, direction, action, section, index, name, matchType } = source;
      this.#writable(id).set(id, { id, policy, direction, action, section, index, name, matchType });
    }
    return id;
  }

  drop(id: number): void {
    const page = this.#writable(id);
    page.delete(id);
    if (page.size === 0) this.#pages.delete(pageOf(id));
  }

  get(id: number): CompiledRule | undefined {
    return this.#pages.get(pageOf(id))?.get(id);
  }

  /** The rules as they are now; they do not change afterwards, and are the same object where nothing did. */
  snapshot(): CompiledRules {
    this.#snapshot ??= new RulePages(new Map(this.#pages));
    this.#own.clear();
    return this.#snapshot;
  }

  /** The page of an id, to be changed. */
  #writable(id: number): Map<number, CompiledRule> {
    this.#snapshot = null;
    const number = pageOf(id);
    let page = this.#pages.get(number);
    if (page === undefined || !this.#own.has(number)) {
      page = new Map(page);
      this.#pages.set(number, page);
      this.#own.add(number);
    }
    return page;
  }
}

/** The rules of a policy before it changed, so that those that stay keep their ids. */
export class RuleIds {
  readonly #byKey = new Map<string, number>();
  readonly #taken = new Set<number>();

  add(rule: CompiledRule): void {
    this.#byKey.set(ruleKey(rule), rule.id);
  }

  get size(): number {
    return this.#byKey.size;
  }

  take(key: string): number | undefined {
    const id = this.#byKey.get(key);
    if (id !== undefined) this.#taken.add(id);
    return id;
  }

  /** Whether a rule of the changed policy has this id now. */
  isTaken(id: number): boolean {
    return this.#taken.has(id);
  }
}

/** Tells the rules of one policy apart. */
function ruleKey({ direction, action, section, index, matchType }: RuleSource): string {
  return `${section} ${direction} ${action} ${index} ${matchType}`;
}

/** The identity of a rule within its policy. */
export function ruleSource(policy: PolicyReference, section: number, rule: PolicyRule, matchType: MatchType): RuleSource {
  return { policy, direction: rule.direction, action: rule.action, section, index: rule.index, name: rule.name, matchType };
}

export function defaultDenySource(policy: PolicyReference, section: number, direction: Direction): RuleSource {
  return { policy, direction, action: 'default-deny', section, index: -1, name: null, matchType: 'none' };
}
