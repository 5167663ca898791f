export { type ApplyOptions, type ApplyOutcome, applyRules, removeRules } from './apply.ts';
export { parseIptablesConfig } from './config.ts';
export {
  type ConntrackEntry,
  type ConntrackFilter,
  type ConntrackTuple,
  isRedirected,
  matchesConntrack,
  parseConntrack,
} from './conntrack.ts';
export { conntrackEntries } from './conntrack-listing.ts';
export { formatPlan, formatRule, formatRuleSet } from './format.ts';
export { fromRedirectConfig } from './from-redirect-config.ts';
export { type InspectOptions, inspect, type RuleState } from './inspect.ts';
export type { NetnsTarget } from './netns.ts';
export { type RuleListing, type RuleListings, ruleSetsEmpty } from './rule-listing.ts';
export { planRules } from './rules.ts';
export { defaultIptablesConfig, type IptablesConfig, type Rule, type RulePlan, type RuleSet, type TablePlan } from './types.ts';
