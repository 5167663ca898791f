import type { NamedPort } from './identity.ts';
import type { ExpandedRule, Group } from './parts.ts';
import type { PeerIndex } from './peer-index.ts';
import type { RowItem, RowTemplate } from './rows.ts';
import { mergeItems, silent, toRow } from './rows.ts';
import type { Direction, PolicyCell, PolicyRow } from './types.ts';

const directions: readonly Direction[] = ['ingress', 'egress'];
const everybody = 0;

export interface RowContext {
  readonly index: PeerIndex;
  /** What lets the node's own traffic in to its pods, whatever policies say in the normal tier. */
  readonly hostRule: ExpandedRule;
}

/** Every row of a group from nothing. */
export function buildRows(group: Group, context: RowContext): PolicyRow[] {
  const rows: PolicyRow[] = [];
  for (const direction of directions) {
    if (!group.enforced[direction]) continue;
    const lists = new Map<number, ExpandedRule[]>([[everybody, []]]);
    for (const rule of rulesOf(group, direction, context)) {
      if (rule.everybody) add(lists, everybody, rule);
      for (const entry of rule.entries) for (const id of entry.ids) add(lists, id, rule);
    }
    const memo = new Map<string, readonly RowTemplate[]>();
    for (const [peer, list] of lists) pushRows(rows, peer, direction, resolve(group, direction, peer, list, context, memo));
  }
  return rows;
}

/** The rows of a group with those of some peers made anew. */
export function patchRows(group: Group, peers: ReadonlySet<number>, context: RowContext): PolicyRow[] {
  const rows = group.rows.filter(({ peer }) => !peers.has(peer));
  for (const direction of directions) {
    if (!group.enforced[direction]) continue;
    const rules = rulesOf(group, direction, context);
    const memo = new Map<string, readonly RowTemplate[]>();
    for (const peer of peers) {
      const list = rules.filter((rule) => rule.entries.some(({ ids }) => ids.has(peer)));
      if (list.length > 0) pushRows(rows, peer, direction, resolve(group, direction, peer, list, context, memo));
    }
  }
  return rows;
}

function* sectionsRules(group: Group, direction: Direction): Iterable<ExpandedRule> {
  for (const section of group.sections) yield* direction === 'ingress' ? section.ingress : section.egress;
}

function rulesOf(group: Group, direction: Direction, context: RowContext): ExpandedRule[] {
  const rules = [...sectionsRules(group, direction)];
  if (direction === 'ingress') rules.push(context.hostRule);
  return rules;
}

function add(lists: Map<number, ExpandedRule[]>, peer: number, rule: ExpandedRule): void {
  const list = lists.get(peer);
  if (list === undefined) lists.set(peer, [rule]);
  else if (list.at(-1) !== rule) list.push(rule);
}

function pushRows(rows: PolicyRow[], peer: number, direction: Direction, templates: readonly RowTemplate[]): void {
  for (const template of templates) rows.push(toRow(template, peer, direction));
}

function resolve(
  group: Group,
  direction: Direction,
  peer: number,
  list: readonly ExpandedRule[],
  context: RowContext,
  memo: Map<string, readonly RowTemplate[]>,
): readonly RowTemplate[] {
  // Everybody has a row for every protocol, also where it says nothing: its absence means that the table is not there.
  const base = peer === everybody ? baseItem(group, direction) : null;
  const ports = direction === 'ingress' ? group.namedPorts : (context.index.recordOf(peer)?.namedPorts ?? []);
  const hasNames = list.some(({ named }) => named.length > 0);
  if (base === null && !hasNames) {
    const [only] = list;
    if (only !== undefined && list.length === 1) {
      only.templates ??= mergeItems(only.items);
      return only.templates;
    }
    const key = list.map(({ serial }) => serial).join();
    let templates = memo.get(key);
    if (templates === undefined) {
      templates = mergeItems(list.flatMap(({ items }) => items));
      memo.set(key, templates);
    }
    return templates;
  }
  const items = list.flatMap((rule) => [...rule.items, ...namedItems(rule, ports)]);
  return mergeItems(base === null ? items : [base, ...items]);
}

function baseItem(group: Group, direction: Direction): RowItem {
  let cell: PolicyCell = silent;
  for (const { denyIngress, denyEgress } of group.sections) {
    const own = direction === 'ingress' ? denyIngress : denyEgress;
    if (own !== null && (cell === silent || own.rule < cell.rule)) cell = own;
  }
  return { protocol: 0, port: 0, bits: 0, tier: 1, cell };
}

function namedItems(rule: ExpandedRule, ports: readonly NamedPort[]): RowItem[] {
  return rule.named.flatMap(({ name, protocol, tier, cell }) =>
    ports
      .filter((port) => port.name === name && (protocol === null || protocol === port.protocol))
      .map((port) => ({ protocol: port.protocol, port: port.port, bits: 16, tier, cell })),
  );
}
