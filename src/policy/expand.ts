import type { SectionInterests } from './interests.ts';
import { interestsOf } from './interests.ts';
import { matchTypeOf } from './match-type.ts';
import type { PeerEntry, PlainPeer } from './peer-entry.ts';
import type { PeerIndex } from './peer-index.ts';
import { portPrefixes } from './ports.ts';
import type { RowItem, RowTemplate } from './rows.ts';
import type { RuleTable } from './rule-table.ts';
import { defaultDenySource, ruleSource } from './rule-table.ts';
import { isPod } from './selectors.ts';
import { resolveServices } from './services.ts';
import type { Direction, Policy, PolicyCell, PolicyRule, PolicySection, PolicyService, Tier } from './types.ts';

/** enum mr_action */
const actionNumbers = { 'default-deny': 1, pass: 2, allow: 3, deny: 4 } as const;
const tierNumbers: Readonly<Record<Tier, number>> = { admin: 0, normal: 1, baseline: 2 };
const allPods: PlainPeer = { kind: 'endpoints', selector: [isPod] };

/** A port that a pod gives a name, to be looked up where the pod is known. */
export interface NamedItem {
  readonly name: string;
  readonly protocol: number | null;
  readonly tier: number;
  readonly cell: PolicyCell;
}

/** A rule as the rows need it. */
export interface ExpandedRule {
  /** Different for every rule that was ever expanded. */
  readonly serial: number;
  readonly everybody: boolean;
  readonly entries: readonly PeerEntry[];
  readonly items: readonly RowItem[];
  readonly named: readonly NamedItem[];
  /** The rows of this rule alone, made when first needed. */
  templates: readonly RowTemplate[] | null;
}

/** One `spec`, ready to be combined with the others that select a pod. */
export interface ExpandedSection {
  readonly serial: number;
  readonly subject: PeerEntry;
  readonly rules: Readonly<Record<Direction, readonly ExpandedRule[]>>;
  readonly enforced: Readonly<Record<Direction, boolean>>;
  readonly defaultDeny: Readonly<Record<Direction, PolicyCell | null>>;
  /** Whether the ports that a selected pod names make a difference. */
  readonly namedIngress: boolean;
  readonly ruleIds: readonly number[];
  readonly interests: SectionInterests;
}

export interface ExpandContext {
  readonly index: PeerIndex;
  readonly rules: RuleTable;
  readonly services: readonly PolicyService[];
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

/** Registers a section's peers and rules. What it takes is given back by `releaseSection`. */
export function expandSection({ policy, section, rules, interests }: PreparedSection, context: ExpandContext): ExpandedSection {
  const { reference } = policy;
  const ruleIds: number[] = [];
  const hold = (source: Parameters<RuleTable['hold']>[0]): number => {
    const id = context.rules.hold(source);
    ruleIds.push(id);
    return id;
  };
  const deny = (direction: Direction): PolicyCell | null =>
    section.defaultDeny[direction]
      ? { precedence: precedenceOf(0, 'default-deny'), rule: hold(defaultDenySource(reference, section.index, direction)) }
      : null;
  const expanded: Record<Direction, ExpandedRule[]> = { ingress: [], egress: [] };
  for (const { rule, peers } of rules) {
    const cells = new Map<string, PolicyCell>();
    const cellOf = (matchType: ReturnType<typeof matchTypeOf>): PolicyCell => {
      const known = cells.get(matchType);
      if (known !== undefined) return known;
      const cell = { precedence: precedenceOf(rule.rank, rule.action), rule: hold(ruleSource(reference, section.index, rule, matchType)) };
      cells.set(matchType, cell);
      return cell;
    };
    expanded[rule.direction].push(...expandRule(rule, tierNumbers[section.tier], peers, cellOf, context));
  }
  const made: ExpandedSection = {
    serial: context.nextSerial(),
    subject: context.index.entryOf({ kind: 'endpoints', selector: section.subject }),
    rules: expanded,
    enforced: {
      ingress: section.defaultDeny.ingress || expanded.ingress.length > 0,
      egress: section.defaultDeny.egress || expanded.egress.length > 0,
    },
    defaultDeny: { ingress: deny('ingress'), egress: deny('egress') },
    namedIngress: expanded.ingress.some(({ named }) => named.length > 0),
    ruleIds,
    interests,
  };
  made.subject.subjectOf.add(made);
  for (const entry of entriesOf(made)) entry.peerOf.add(made);
  return made;
}

function expandRule(
  rule: PolicyRule,
  tier: number,
  peers: readonly PlainPeer[],
  cellOf: (matchType: ReturnType<typeof matchTypeOf>) => PolicyCell,
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
    else for (const prefix of portPrefixes(port.first, port.last)) items.push({ protocol: port.protocol, ...prefix, tier, cell });
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
    items: itemsHere,
    named: namedHere,
    templates: null,
  });
  if (rule.peers.kind === 'some') return [make(false, [...new Set(peers.map((peer) => context.index.entryOf(peer)))], items, named)];
  if (rule.direction === 'ingress' || named.length === 0) return [make(true, [], items, named)];
  // On the way out a name means another port at each destination, so everybody becomes each pod.
  return [make(true, [], items, []), make(false, [context.index.entryOf(allPods)], [], named)];
}

export function entriesOf(section: ExpandedSection): Set<PeerEntry> {
  return new Set([...section.rules.ingress, ...section.rules.egress].flatMap(({ entries }) => entries));
}

/** Gives back the peers and rule ids of a section. */
export function releaseSection(section: ExpandedSection, context: ExpandContext): void {
  section.subject.subjectOf.delete(section);
  const entries = entriesOf(section);
  for (const entry of entries) entry.peerOf.delete(section);
  for (const entry of [...entries, section.subject]) context.index.release(entry);
  for (const id of section.ruleIds) {
    const rule = context.rules.get(id);
    if (rule !== undefined) context.rules.drop(rule);
  }
}
