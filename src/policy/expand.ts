import { interestsOf } from './interests.ts';
import { matchTypeOf } from './match-type.ts';
import type { ExpandedRule, ExpandedSection, NamedItem, PeerEntry, PlainPeer, SectionInterests } from './parts.ts';
import type { PeerIndex } from './peer-index.ts';
import { portPrefixes } from './ports.ts';
import type { RowItem } from './rows.ts';
import type { RuleIds, RuleTable } from './rule-table.ts';
import { defaultDenySource, ruleSource } from './rule-table.ts';
import { isPod } from './selectors.ts';
import { resolveServices } from './services.ts';
import type { Direction, MatchType, Policy, PolicyCell, PolicyRule, PolicySection, PolicyService, Tier } from './types.ts';

/** enum mr_action */
const actionNumbers = { 'default-deny': 1, pass: 2, allow: 3, deny: 4 } as const;
const tierNumbers: Readonly<Record<Tier, number>> = { admin: 0, normal: 1, baseline: 2 };
const allPods: PlainPeer = { kind: 'endpoints', selector: [isPod] };

export interface ExpandContext {
  readonly index: PeerIndex;
  readonly rules: RuleTable;
  nextSerial(): number;
}

/** rank << 8 | action as the kernel has it; ranks are below 2^24. */
export function precedenceOf(rank: number, action: keyof typeof actionNumbers): number {
  return rank * 256 + actionNumbers[action];
}

/** What a section waits for before it may meet the index: its interests decide which identities there are. */
export interface PreparedSection {
  readonly policy: Policy;
  readonly section: PolicySection;
  readonly rules: readonly { readonly rule: PolicyRule; readonly peers: readonly PlainPeer[] }[];
  readonly interests: SectionInterests;
}

export function prepareSection(policy: Policy, section: PolicySection, services: readonly PolicyService[]): PreparedSection {
  const rules = section.rules.map((rule) => ({
    rule,
    peers: rule.peers.kind === 'everybody' ? [] : resolveServices(rule.peers.peers, services),
  }));
  return { policy, section, rules, interests: interestsOf(section.subject, rules) };
}

/** Registers a section's peers and rules; `before` are the rules that the policy had. What it takes is given back by `releaseSection`. */
export function expandSection(
  { policy, section, rules, interests }: PreparedSection,
  context: ExpandContext,
  before: RuleIds,
): ExpandedSection {
  const { reference } = policy;
  const ruleIds: number[] = [];
  const hold = (source: Parameters<RuleTable['hold']>[0]): number => {
    const id = context.rules.hold(source, before);
    ruleIds.push(id);
    return id;
  };
  const deny = (direction: Direction): PolicyCell | null =>
    section.defaultDeny[direction]
      ? { precedence: precedenceOf(0, 'default-deny'), rule: hold(defaultDenySource(reference, section.index, direction)) }
      : null;
  const expanded: Record<Direction, ExpandedRule[]> = { ingress: [], egress: [] };
  for (const { rule, peers } of rules) {
    const types: MatchType[] = [];
    const cells: PolicyCell[] = [];
    const cellOf = (matchType: MatchType): PolicyCell => {
      const known = cells[types.indexOf(matchType)];
      if (known !== undefined) return known;
      const cell = { precedence: precedenceOf(rule.rank, rule.action), rule: hold(ruleSource(reference, section.index, rule, matchType)) };
      types.push(matchType);
      cells.push(cell);
      return cell;
    };
    expanded[rule.direction].push(...expandRule(rule, tierNumbers[section.tier], peers, cellOf, context));
  }
  const made: ExpandedSection = {
    serial: context.nextSerial(),
    subject: context.index.entryOf({ kind: 'endpoints', selector: section.subject }),
    ingress: expanded.ingress,
    egress: expanded.egress,
    enforced: {
      ingress: section.defaultDeny.ingress || expanded.ingress.length > 0,
      egress: section.defaultDeny.egress || expanded.egress.length > 0,
    },
    denyIngress: deny('ingress'),
    denyEgress: deny('egress'),
    namedIngress: expanded.ingress.some(({ named }) => named.length > 0),
    ruleIds,
    interests,
    groups: null,
  };
  made.subject.subjectOf = withMember(made.subject.subjectOf, made);
  for (const entry of entriesOf(made)) entry.peerOf = withMember(entry.peerOf, made);
  return made;
}

function expandRule(
  rule: PolicyRule,
  tier: number,
  peers: readonly PlainPeer[],
  cellOf: (matchType: MatchType) => PolicyCell,
  context: ExpandContext,
): ExpandedRule[] {
  const items: RowItem[] = [];
  const named: NamedItem[] = [];
  if (rule.ports === null) items.push({ protocol: 0, port: 0, bits: 0, tier, cell: cellOf(matchTypeOf(rule, null)) });
  for (const port of rule.ports ?? []) {
    const cell = cellOf(matchTypeOf(rule, port));
    if (port.kind === 'named') named.push({ name: port.name, protocol: port.protocol, tier, cell });
    // The code stands in the low byte, and policy is about the type.
    else if (port.kind === 'icmp') items.push({ protocol: port.protocol, port: port.type << 8, bits: 8, tier, cell });
    else
      for (const { port: first, bits } of portPrefixes(port.first, port.last))
        items.push({ protocol: port.protocol, port: first, bits, tier, cell });
  }
  const make = (
    everybody: boolean,
    entries: readonly PeerEntry[],
    itemsHere: readonly RowItem[],
    namedHere: readonly NamedItem[],
  ): ExpandedRule => ({
    serial: context.nextSerial(),
    everybody,
    entries,
    // without the room to grow
    items: itemsHere.slice(),
    named: namedHere,
    templates: null,
  });
  if (rule.peers.kind === 'some') return [make(false, unique(peers.map((peer) => context.index.entryOf(peer))), items, named)];
  if (rule.direction === 'ingress' || named.length === 0) return [make(true, [], items, named)];
  // On the way out a name means another port at each destination, so everybody becomes each pod.
  return [make(true, [], items, []), make(false, [context.index.entryOf(allPods)], [], named)];
}

function unique<T>(items: readonly T[]): readonly T[] {
  return items.length < 2 ? items : [...new Set(items)];
}

function entriesOf(section: ExpandedSection): Set<PeerEntry> {
  const entries = new Set<PeerEntry>();
  for (const rules of [section.ingress, section.egress]) for (const rule of rules) for (const entry of rule.entries) entries.add(entry);
  return entries;
}

/** Gives back the peers of a section, and those of its rule ids that no rule of the changed policy has. */
export function releaseSection(section: ExpandedSection, context: ExpandContext, now: RuleIds): void {
  section.subject.subjectOf = withoutMember(section.subject.subjectOf, section);
  for (const entry of entriesOf(section)) {
    entry.peerOf = withoutMember(entry.peerOf, section);
    context.index.release(entry);
  }
  context.index.release(section.subject);
  for (const id of section.ruleIds) if (!now.isTaken(id)) context.rules.drop(id);
}

function withMember<T>(set: Set<T> | null, member: T): Set<T> {
  return set === null ? new Set([member]) : set.add(member);
}

function withoutMember<T>(set: Set<T> | null, member: T): Set<T> | null {
  set?.delete(member);
  return set?.size === 0 ? null : set;
}
