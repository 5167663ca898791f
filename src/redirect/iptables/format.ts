import type { Rule, RulePlan, RuleSet, TablePlan } from './types.ts';

/**
 * What would be done, line for line, as the contract data shows it: the state is read, the tables are written, the state is read again.
 * Every line ends in a newline.
 */
export function formatPlan(plan: RulePlan): string {
  const check = plan.v6 === null ? 'iptables-save\n' : 'iptables-save\nip6tables-save\n';
  return `iptables-save\nip6tables-save\n${formatRuleSet(plan.v4)}${plan.v6 === null ? '' : formatRuleSet(plan.v6)}${check}`;
}

/** One family's tables as the input of iptables-restore --noflush; empty where there is no table. */
export function formatRuleSet(rules: RuleSet): string {
  return rules.tables.map(formatTable).join('');
}

/** `-A CHAIN …` or `-I CHAIN 1 …`. */
export function formatRule(rule: Rule): string {
  const verb = rule.position === null ? ['-A', rule.chain] : ['-I', rule.chain, String(rule.position)];
  return [...verb, ...rule.spec].join(' ');
}

function formatTable(table: TablePlan): string {
  const chains = table.chains.map((chain) => `-N ${chain}`);
  return [`* ${table.table}`, ...chains, ...table.rules.map(formatRule), 'COMMIT', ''].join('\n');
}
