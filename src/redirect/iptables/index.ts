export { applyRules, removeRules } from './apply.ts';
export { parseIptablesConfig } from './config.ts';
export { conntrackEntries } from './conntrack-listing.ts';
export { formatPlan } from './format.ts';
export { fromRedirectConfig } from './from-redirect-config.ts';
export { ruleSetsEmpty } from './rule-listing.ts';
export { planRules } from './rules.ts';
export type { IptablesConfig } from './types.ts';
