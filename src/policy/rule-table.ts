import type { CompiledRule, Direction, MatchType, PolicyReference, PolicyRule } from './types.ts';

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

/** Ids of rules: no id is given twice. */
export class RuleTable {
  #rules = new Map<number, CompiledRule>();
  #next = 1;
  #shared = true;

  /** The id of a rule: that of `before` where the policy had such a rule already, else a new one. */
  hold(source: RuleSource, before: RuleIds): number {
    const known = before.size === 0 ? undefined : before.take(ruleKey(source));
    const id = known ?? this.#next++;
    if (known === undefined || this.#rules.get(id)?.name !== source.name) {
      const { policy, direction, action, section, index, name, matchType } = source;
      this.#writable().set(id, { id, policy, direction, action, section, index, name, matchType });
    }
    return id;
  }

  drop(id: number): void {
    this.#writable().delete(id);
  }

  get(id: number): CompiledRule | undefined {
    return this.#rules.get(id);
  }

  /** The rules as they are now; the map does not change afterwards, and is the same one where nothing did. */
  snapshot(): ReadonlyMap<number, CompiledRule> {
    this.#shared = true;
    return this.#rules;
  }

  #writable(): Map<number, CompiledRule> {
    if (this.#shared) this.#rules = new Map(this.#rules);
    this.#shared = false;
    return this.#rules;
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
