import type { Family, Rule, RuleSet, TableName } from './types.ts';
import { chainPrefix, tableNames } from './types.ts';

/** Collects rules in the order in which they are decided and hands them out by table. */
export class RuleSetBuilder {
  readonly #family: Family;
  readonly #rules: { table: TableName; rule: Rule }[] = [];

  constructor(family: Family) {
    this.#family = family;
  }

  append(table: TableName, chain: string, ...spec: string[]): void {
    this.#rules.push({ table, rule: { chain, position: null, spec } });
  }

  /** `position` counts from 1, as the program does. */
  insert(table: TableName, chain: string, position: number, ...spec: string[]): void {
    this.#rules.push({ table, rule: { chain, position, spec } });
  }

  build(): RuleSet {
    const tables = tableNames.flatMap((table) => {
      const rules = this.#rules.filter((entry) => entry.table === table).map((entry) => entry.rule);
      return rules.length === 0 ? [] : [{ table, chains: ownChains(rules), rules }];
    });
    return { family: this.#family, tables };
  }
}

/** Our chains, by the first rule in each; then those that are only jumped to, which must exist all the same. */
function ownChains(rules: readonly Rule[]): string[] {
  const filled = rules.map((rule) => rule.chain);
  const targets = rules.map((rule) => rule.spec[rule.spec.indexOf('-j') + 1] ?? '');
  return [...new Set([...filled, ...targets])].filter((chain) => chain.startsWith(chainPrefix));
}
