import { isMissingProgram } from './command.ts';
import { iptablesFailed } from './failure.ts';
import type { NetnsTarget, OpenNetns } from './netns.ts';
import { withNetns } from './netns.ts';
import { isEmptyState, parseSavedState } from './saved-state.ts';

/** What one program says of a namespace's rules. */
export interface RuleListing {
  readonly program: 'iptables-save' | 'ip6tables-save' | 'nft list ruleset';
  /** Exactly as printed. */
  readonly text: string;
  readonly empty: boolean;
}

/** Whether any rule can touch a packet in a namespace, with the evidence. */
export interface RuleListings {
  readonly empty: boolean;
  readonly listings: readonly RuleListing[];
}

/**
 * Lists every rule of a namespace. `nft` is asked where the machine has it, because it also sees tables that iptables-save does not; the two
 * others are always asked.
 * @throws UserError NETNS_INVALID, MACHINE_MISSING_PROGRAM, IPTABLES_FAILED.
 */
export async function ruleSetsEmpty(target: NetnsTarget, options: { readonly signal?: AbortSignal } = {}): Promise<RuleListings> {
  return withNetns(target, async (netns) => {
    const listings: RuleListing[] = [];
    for (const [program, family] of [['iptables-save', 4] as const, ['ip6tables-save', 6] as const]) {
      const text = await list(netns, program, [], options.signal);
      listings.push({ program, text, empty: isEmptyState(parseSavedState(family, text)) });
    }
    try {
      const text = await list(netns, 'nft', ['list', 'ruleset'], options.signal);
      listings.push({ program: 'nft list ruleset', text, empty: isEmptyNftRuleset(text) });
    } catch (error) {
      if (!isMissingProgram(error)) throw error;
    }
    return { empty: listings.every((listing) => listing.empty), listings };
  });
}

/**
 * True when no line of `nft list ruleset` is a rule: only the frames of tables and chains, hooks whose policy is accept, and remarks.
 * Sets, maps and flow tables count as content. Pure.
 */
export function isEmptyNftRuleset(text: string): boolean {
  const frame = /^(table \S+ \S+ \{|chain \S+ \{|type \S+ hook .*; policy accept;|\}|#.*|)$/;
  return text.split('\n').every((line) => frame.test(line.trim()));
}

async function list(netns: OpenNetns, program: string, args: readonly string[], signal?: AbortSignal): Promise<string> {
  const result = await netns.run(program, args, signal === undefined ? {} : { signal });
  if (result.exitCode !== 0) throw iptablesFailed(netns.path, program, result.stderr);
  return result.stdout;
}
