import type { Difference } from './compare.ts';
import { compareState } from './compare.ts';
import { parseIptablesConfig } from './config.ts';
import { iptablesFailed } from './failure.ts';
import type { NetnsTarget, OpenNetns } from './netns.ts';
import { withNetns } from './netns.ts';
import { resolveOwnerNames } from './owner-names.ts';
import type { RoutingItem } from './routing.ts';
import { formatRoutingItem, presentRoutingItems, routingItems } from './routing.ts';
import { planRules } from './rules.ts';
import type { SavedState } from './saved-state.ts';
import { parseSavedState } from './saved-state.ts';
import type { Family, IptablesConfig, RulePlan, RuleSet } from './types.ts';

/** What a namespace holds, against what a configuration asks for. */
export type RuleState =
  | { readonly kind: 'in-sync' }
  | {
      readonly kind: 'drifted';
      /** Lines that would make what is not there. */
      readonly missing: readonly string[];
      /** Lines that made what should not be there. */
      readonly extra: readonly string[];
      /** Chains with the right rules in the wrong order. */
      readonly misordered: readonly string[];
    }
  | { readonly kind: 'absent' };

/** Everything that a configuration asks of a namespace, names resolved. */
export interface Intent {
  readonly config: IptablesConfig;
  readonly plan: RulePlan;
  readonly routing: readonly RoutingItem[];
}

export interface InspectOptions {
  /** The configuration that was written before, where it was another one. */
  readonly previous?: IptablesConfig;
  readonly signal?: AbortSignal;
}

/**
 * Compares a namespace with a configuration and changes nothing. Rules of IPv6 are not looked at when the configuration leaves IPv6 alone.
 * @throws UserError IPTABLES_CONFIG, NETNS_INVALID, MACHINE_MISSING_PROGRAM, IPTABLES_FAILED.
 */
export async function inspect(target: NetnsTarget, config: IptablesConfig, options: InspectOptions = {}): Promise<RuleState> {
  const intent = await intentOf(config, options.signal);
  const previous = options.previous === undefined ? null : await intentOf(options.previous, options.signal);
  return withNetns(target, (netns) => inspectOpen(netns, intent, previous, options.signal));
}

/** Validates again, because a value that was not validated could smuggle words into a rule, and plans. */
export async function intentOf(config: IptablesConfig, signal?: AbortSignal): Promise<Intent> {
  const resolved = await resolveOwnerNames(parseIptablesConfig(config), signal);
  return { config: resolved, plan: planRules(resolved), routing: routingItems(resolved) };
}

/** As `inspect`, in a namespace that is open already. */
export async function inspectOpen(netns: OpenNetns, intent: Intent, previous: Intent | null, signal?: AbortSignal): Promise<RuleState> {
  const differences: Difference[] = [];
  for (const rules of familiesOf(intent.plan)) {
    differences.push(compareState(rules, await readState(netns, rules.family, signal), formerRules(previous, rules.family)));
  }
  const present = (await presentRoutingItems(netns, intent.routing, signal)).map(formatRoutingItem);
  const needed = intent.routing.map(formatRoutingItem);
  const stale = previous?.routing.filter((item) => !needed.includes(formatRoutingItem(item))) ?? [];
  const missing = [...differences.flatMap((entry) => entry.missing), ...needed.filter((line) => !present.includes(line))];
  const extra = [
    ...differences.flatMap((entry) => entry.extra),
    ...(await presentRoutingItems(netns, stale, signal)).map(formatRoutingItem),
  ];
  const misordered = differences.flatMap((entry) => entry.misordered);
  if (missing.length + extra.length + misordered.length === 0) return { kind: 'in-sync' };
  if (extra.length === 0 && differences.every((entry) => entry.absent)) return { kind: 'absent' };
  return { kind: 'drifted', missing, extra, misordered };
}

/** What one family's tables hold. @throws UserError IPTABLES_FAILED, MACHINE_MISSING_PROGRAM. */
export async function readState(netns: OpenNetns, family: Family, signal?: AbortSignal): Promise<SavedState> {
  const program = family === 4 ? 'iptables-save' : 'ip6tables-save';
  const result = await netns.run(program, [], signal === undefined ? {} : { signal });
  if (result.exitCode !== 0) throw iptablesFailed(netns.path, program, result.stderr);
  return parseSavedState(family, result.stdout);
}

/** The rule sets of a plan, IPv4 first. */
export function familiesOf(plan: RulePlan): RuleSet[] {
  return plan.v6 === null ? [plan.v4] : [plan.v4, plan.v6];
}

/** What an earlier configuration planned for one family. */
export function formerRules(previous: Intent | null, family: Family): RuleSet | null {
  return (family === 4 ? previous?.plan.v4 : previous?.plan.v6) ?? null;
}
