import { assertNever, MillraceError } from '../../base/errors.ts';
import { isMissingProgram } from './command.ts';
import { formatCleanup } from './compare.ts';
import { iptablesFailed } from './failure.ts';
import { formatRuleSet } from './format.ts';
import { formatGuard, guardChain } from './guard.ts';
import type { Intent, RuleState } from './inspect.ts';
import { familiesOf, formerRules, inspectOpen, intentOf, readState } from './inspect.ts';
import type { NetnsTarget, OpenNetns } from './netns.ts';
import { withNetns } from './netns.ts';
import { addRoutingItems, formatRoutingItem, presentRoutingItems, removeRoutingItems } from './routing.ts';
import type { Family, IptablesConfig, RuleSet } from './types.ts';

/** What `applyRules` did. */
export type ApplyOutcome =
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'written' }
  /** There was drift, and traffic was stopped while it was mended. */
  | { readonly kind: 'repaired'; readonly drift: Extract<RuleState, { kind: 'drifted' }> }
  /** The configuration says DryRun: nothing was written. */
  | { readonly kind: 'dry-run'; readonly state: RuleState };

export interface ApplyOptions {
  /** The configuration that was written before, so that its rules in built-in chains can be told from foreign ones. */
  readonly previous?: IptablesConfig;
  readonly signal?: AbortSignal;
}

/** Seconds to wait for another process that holds the tables (iptables-legacy only; the other variant has no lock). */
const lockSeconds = '10';

/**
 * Makes a namespace hold the rules of a configuration. The same configuration again changes nothing. Drift is mended behind a guard that
 * drops all traffic, so that nothing passes unredirected meanwhile; when that fails, or the signal fires, the guard stays, and the
 * next call finds it. When the first write fails, everything is taken back. Foreign rules are never touched. Calls for one
 * namespace must not overlap.
 * @throws UserError IPTABLES_CONFIG, NETNS_INVALID (also for the machine's own namespace), MACHINE_MISSING_PROGRAM, IPTABLES_FAILED.
 */
export async function applyRules(target: NetnsTarget, config: IptablesConfig, options: ApplyOptions = {}): Promise<ApplyOutcome> {
  const { signal } = options;
  const intent = await intentOf(config, signal);
  const previous = options.previous === undefined ? null : await intentOf(options.previous, signal);
  return withNetns(target, async (netns): Promise<ApplyOutcome> => {
    const state = await inspectOpen(netns, intent, previous, signal);
    if (config.DryRun) return { kind: 'dry-run', state };
    switch (state.kind) {
      case 'in-sync':
        return { kind: 'unchanged' };
      case 'absent':
        await writeFirst(netns, intent, signal);
        return { kind: 'written' };
      case 'drifted':
        await swap(netns, intent, previous, signal);
        return { kind: 'repaired', drift: state };
      default:
        return assertNever(state, 'rule state');
    }
  });
}

/**
 * Takes away all that is ours in both families: jumps to our chains, the chains, and, where the configuration that was written is known, its
 * rules in built-in chains, its routing rules and its address. Foreign rules stay. Removing twice does no harm.
 * @throws UserError NETNS_INVALID, MACHINE_MISSING_PROGRAM, IPTABLES_FAILED.
 */
export async function removeRules(
  target: NetnsTarget,
  config: IptablesConfig | null,
  options: { readonly signal?: AbortSignal } = {},
): Promise<void> {
  const intent = config === null ? null : await intentOf(config, options.signal);
  await withNetns(target, (netns) => removeAll(netns, intent, options.signal));
}

async function writeFirst(netns: OpenNetns, intent: Intent, signal?: AbortSignal): Promise<void> {
  try {
    await write(netns, intent, signal);
    await verify(netns, intent, null, signal);
  } catch (error) {
    // Half of the rules would be worse than none: the caller sees the failure and does not start the pod. An abort cleans up too.
    await takeBack(netns, intent, error);
    throw error;
  }
}

async function takeBack(netns: OpenNetns, intent: Intent, reason: unknown): Promise<void> {
  try {
    await removeAll(netns, intent);
  } catch (error) {
    throw new MillraceError('IPTABLES_FAILED', `Cannot take back the rules of ${netns.path} because that failed too: ${String(error)}`, {
      cause: new AggregateError([reason, error]),
    });
  }
}

async function swap(netns: OpenNetns, intent: Intent, previous: Intent | null, signal?: AbortSignal): Promise<void> {
  const families = familiesOf(intent.plan).map((rules) => rules.family);
  for (const family of families) await restore(netns, family, formatGuard(), signal);
  for (const rules of familiesOf(intent.plan)) {
    const plans = [rules, formerRules(previous, rules.family)].filter((plan) => plan !== null);
    await clean(netns, rules.family, plans, guardChain, signal);
  }
  if (previous !== null) {
    const needed = intent.routing.map(formatRoutingItem);
    const stale = previous.routing.filter((item) => !needed.includes(formatRoutingItem(item)));
    await removeRoutingItems(netns, await presentRoutingItems(netns, stale, signal), signal);
  }
  await write(netns, intent, signal);
  for (const family of families) await removeGuard(netns, family, signal);
  await verify(netns, intent, previous, signal);
}

async function write(netns: OpenNetns, intent: Intent, signal?: AbortSignal): Promise<void> {
  // Routing first: a packet that is marked before its route exists is lost.
  const present = (await presentRoutingItems(netns, intent.routing, signal)).map(formatRoutingItem);
  const absent = intent.routing.filter((item) => !present.includes(formatRoutingItem(item)));
  await addRoutingItems(netns, absent, signal);
  for (const rules of familiesOf(intent.plan)) await restore(netns, rules.family, formatRuleSet(rules), signal);
}

async function verify(netns: OpenNetns, intent: Intent, previous: Intent | null, signal?: AbortSignal): Promise<void> {
  const state = await inspectOpen(netns, intent, previous, signal);
  if (state.kind === 'in-sync') return;
  throw new MillraceError('IPTABLES_FAILED', `Cannot trust the rules of ${netns.path} because they differ after writing: ${state.kind}`, {
    data: { state },
  });
}

async function removeAll(netns: OpenNetns, intent: Intent | null, signal?: AbortSignal): Promise<void> {
  await clean(netns, 4, intent === null ? [] : [intent.plan.v4], null, signal);
  try {
    const v6 = intent?.plan.v6 ?? null;
    await clean(netns, 6, v6 === null ? [] : [v6], null, signal);
  } catch (error) {
    // Where IPv6 was never asked for, a machine without ip6tables has nothing to clean.
    if (!isMissingProgram(error) || intent?.plan.v6 !== null) throw error;
  }
  if (intent !== null) await removeRoutingItems(netns, await presentRoutingItems(netns, intent.routing, signal), signal);
}

async function clean(
  netns: OpenNetns,
  family: Family,
  plans: readonly RuleSet[],
  keepChain: string | null,
  signal?: AbortSignal,
): Promise<void> {
  await restore(netns, family, formatCleanup(plans, await readState(netns, family, signal), keepChain), signal);
}

async function removeGuard(netns: OpenNetns, family: Family, signal?: AbortSignal): Promise<void> {
  const state = await readState(netns, family, signal);
  const filter = { family, tables: state.tables.filter((table) => table.table === 'filter') };
  await restore(netns, family, formatCleanup([], filter), signal);
}

async function restore(netns: OpenNetns, family: Family, input: string, signal?: AbortSignal): Promise<void> {
  if (input === '') return;
  const program = family === 4 ? 'iptables-restore' : 'ip6tables-restore';
  const result = await netns.run(program, ['--noflush', '--wait', lockSeconds], { input, ...(signal === undefined ? {} : { signal }) });
  if (result.exitCode !== 0) throw iptablesFailed(netns.path, program, result.stderr);
}
