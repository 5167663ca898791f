import { canonicalRule, jumpTarget, splitRule } from './canonical.ts';
import type { SavedRule, SavedState, SavedTable } from './saved-state.ts';
import type { Family, Rule, RuleSet } from './types.ts';
import { chainPrefix } from './types.ts';

/** How one family's tables differ from the plan. Each entry is a line of the form `iptables -t nat -A OUTPUT -j ISTIO_OUTPUT`. */
export interface Difference {
  readonly missing: readonly string[];
  readonly extra: readonly string[];
  /** Chains that hold the right rules in the wrong order, as `iptables -t nat ISTIO_OUTPUT`. */
  readonly misordered: readonly string[];
  /** Nothing planned is there, and nothing of ours: the rules were never written, or were removed. */
  readonly absent: boolean;
}

/**
 * Compares the tables with the plan. Our own chains must hold exactly the planned rules; in the built-in chains the planned rules must be
 * there, and no others that jump to our chains. Foreign rules do not count. Unlike Istio's tool the order counts inside what is ours: the
 * first match wins, so a moved rule is a different procedure. `former` is the plan that was written before, where known:
 * its rules in built-in chains are told from foreign ones by nothing else.
 */
export function compareState(plan: RuleSet, state: SavedState, former: RuleSet | null = null): Difference {
  const missing: string[] = [];
  const extra: string[] = [];
  const misordered: string[] = [];
  let found = false;
  const program = programOf(plan.family);
  for (const table of allTables(plan, state)) {
    const planned = plannedChains(plan, table);
    const formerly = former === null ? new Map<string, string[]>() : plannedChains(former, table);
    const saved = state.tables.find((entry) => entry.table === table);
    for (const chain of new Set([...planned.keys(), ...(saved?.chains.keys() ?? [])])) {
      const own = chain.startsWith(chainPrefix);
      const exists = saved?.chains.has(chain) === true;
      if (own && exists) found = true;
      if (own && exists && !planned.has(chain)) extra.push(`${program} -t ${table} -N ${chain}`);
      if (own && !exists) missing.push(`${program} -t ${table} -N ${chain}`);
      const result = compareChain(planned.get(chain) ?? [], rulesOf(saved, chain), own, formerly.get(chain) ?? []);
      if (result.matched > 0 || result.extra.length > 0) found = true;
      missing.push(...result.missing.map((text) => `${program} -t ${table} -A ${chain} ${text}`.trimEnd()));
      extra.push(...result.extra.map((text) => `${program} -t ${table} -A ${chain} ${text}`.trimEnd()));
      if (result.misordered) misordered.push(`${program} -t ${table} ${chain}`);
    }
  }
  return { missing, extra, misordered, absent: !found };
}

/**
 * The input of iptables-restore --noflush that takes away what is ours and leaves the rest: jumps to our chains, planned rules in
 * built-in chains (as often as they were planned), then the chains. Empty when there is nothing. `keepChain` stays, with the jumps to it.
 */
export function formatCleanup(plans: readonly RuleSet[], state: SavedState, keepChain: string | null = null): string {
  return state.tables.map((saved) => cleanupTable(plans, saved, keepChain)).join('');
}

function cleanupTable(plans: readonly RuleSet[], saved: SavedTable, keepChain: string | null): string {
  const own = [...saved.chains.keys()].filter((chain) => chain.startsWith(chainPrefix) && chain !== keepChain);
  const lines: string[] = [];
  for (const chain of saved.chains.keys()) {
    if (chain.startsWith(chainPrefix)) continue;
    const left = plans.flatMap((plan) => plannedChains(plan, saved.table).get(chain) ?? []);
    for (const rule of rulesOf(saved, chain)) {
      const words = splitRule(rule.text);
      const index = left.indexOf(canonicalRule(words));
      const target = jumpTarget(words);
      const ours = target?.startsWith(chainPrefix) === true;
      if ((keepChain !== null && target === keepChain) || (!ours && index < 0)) continue;
      if (index >= 0) left.splice(index, 1);
      lines.push(`-D ${chain} ${rule.text}`);
    }
  }
  lines.push(...own.map((chain) => `-F ${chain}`), ...own.map((chain) => `-X ${chain}`));
  return lines.length === 0 ? '' : [`* ${saved.table}`, ...lines, 'COMMIT', ''].join('\n');
}

function compareChain(planned: readonly string[], saved: readonly SavedRule[], own: boolean, former: readonly string[]) {
  const left = [...planned];
  const stale = former.filter((text) => !planned.includes(text));
  const inOrder: string[] = [];
  const extra: string[] = [];
  for (const rule of saved) {
    const words = splitRule(rule.text);
    const text = canonicalRule(words);
    const index = left.indexOf(text);
    if (index >= 0) {
      inOrder.push(text);
      left.splice(index, 1);
    } else if (own || jumpTarget(words)?.startsWith(chainPrefix) === true || stale.includes(text)) {
      extra.push(rule.text);
    }
  }
  const same = left.length === 0 && extra.length === 0;
  const misordered = same && inOrder.some((text, index) => text !== planned[index]);
  return { missing: left, extra, misordered, matched: inOrder.length };
}

/** The planned rules of one table by chain, canonical, in the order in which packets meet them. */
function plannedChains(plan: RuleSet, table: string): Map<string, string[]> {
  const entry = plan.tables.find((candidate) => candidate.table === table);
  const chains = new Map<string, string[]>((entry?.chains ?? []).map((chain) => [chain, []]));
  for (const rule of entry?.rules ?? []) place(chains, rule);
  return chains;
}

function place(chains: Map<string, string[]>, rule: Rule): void {
  const rules = chains.get(rule.chain) ?? [];
  rules.splice(rule.position === null ? rules.length : rule.position - 1, 0, canonicalRule(rule.spec));
  chains.set(rule.chain, rules);
}

function rulesOf(saved: SavedTable | undefined, chain: string): readonly SavedRule[] {
  return saved?.rules.filter((rule) => rule.chain === chain) ?? [];
}

function allTables(plan: RuleSet, state: SavedState): ReadonlySet<string> {
  return new Set([...plan.tables.map((table) => table.table), ...state.tables.map((table) => table.table)]);
}

/** `iptables` or `ip6tables`. */
export function programOf(family: Family): 'iptables' | 'ip6tables' {
  return family === 4 ? 'iptables' : 'ip6tables';
}
