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

/** Ids of rules: the same rule of the same policy keeps its id as long as it is there, and no id is given twice. */
export class RuleTable {
  readonly #held = new Map<string, { readonly id: number; count: number }>();
  #rules = new Map<number, CompiledRule>();
  #next = 1;
  #shared = true;

  /** Takes a hold on the id of a rule, as of the last manifest. */
  hold(source: RuleSource): number {
    const key = keyOf(source);
    let held = this.#held.get(key);
    if (held === undefined) {
      held = { id: this.#next, count: 0 };
      this.#next += 1;
      this.#held.set(key, held);
    }
    held.count += 1;
    const known = this.#rules.get(held.id);
    if (known === undefined || known.name !== source.name) this.#writable().set(held.id, { id: held.id, ...source });
    return held.id;
  }

  drop(rule: CompiledRule): void {
    const key = keyOf(rule);
    const held = this.#held.get(key);
    if (held === undefined) return;
    held.count -= 1;
    if (held.count > 0) return;
    this.#held.delete(key);
    this.#writable().delete(held.id);
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

function keyOf({ policy, direction, action, section, index, matchType }: RuleSource): string {
  return `${policy === null ? '' : referenceKey(policy)} ${section} ${direction} ${action} ${index} ${matchType}`;
}

/** The identity of a rule within its policy. */
export function ruleSource(policy: PolicyReference, section: number, rule: PolicyRule, matchType: MatchType): RuleSource {
  return { policy, direction: rule.direction, action: rule.action, section, index: rule.index, name: rule.name, matchType };
}

export function defaultDenySource(policy: PolicyReference, section: number, direction: Direction): RuleSource {
  return { policy, direction, action: 'default-deny', section, index: -1, name: null, matchType: 'none' };
}
