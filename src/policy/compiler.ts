import type { ExpandContext, PreparedSection } from './expand.ts';
import { expandSection, precedenceOf, prepareSection, releaseSection } from './expand.ts';
import type { RowContext } from './group.ts';
import { buildRows, patchRows } from './group.ts';
import { Groups } from './groups.ts';
import type { EarlierNumbers, IdentityRecord } from './identity.ts';
import { IdentityAllocator } from './identity.ts';
import type { Population } from './inhabitants.ts';
import { Inhabitants } from './inhabitants.ts';
import { Interests } from './interests.ts';
import type { ExpandedRule, ExpandedSection, Group, PeerEntry } from './parts.ts';
import { PeerIndex } from './peer-index.ts';
import { RuleIds, RuleTable, referenceKey } from './rule-table.ts';
import { isReserved } from './selectors.ts';
import type { CompiledPolicy, Identity, Policy, PolicyCluster, PolicyRow, PolicyService, PolicyStatus } from './types.ts';

/** The greatest rank that the kernel's precedence has room for. */
const hostRank = 2 ** 24 - 1;

/** A policy as it was compiled last. */
interface KnownPolicy {
  readonly key: string;
  policy: Policy;
  /** The services that it names, resolved: another text means other rules. Null: it names none. */
  readonly services: string | null;
  readonly sections: readonly ExpandedSection[];
  readonly status: PolicyStatus;
  /** The compilation that saw it last. */
  seen: number;
}

interface NewPolicy {
  readonly key: string;
  readonly policy: Policy;
  readonly services: string | null;
  readonly prepared: readonly PreparedSection[];
  readonly status: PolicyStatus;
  /** What it takes the place of. */
  readonly before: KnownPolicy | null;
}

/**
 * Compiles policies into the rows of the kernel's tables, over and over: it keeps what it made, so that a change costs what it touches. Identity,
 * policy and rule numbers are stable while what they stand for is there. One per node; what it answers is not changed afterwards.
 */
export class PolicyCompiler {
  readonly #index = new PeerIndex();
  readonly #rules = new RuleTable();
  readonly #interests = new Interests();
  readonly #allocator: IdentityAllocator;
  readonly #inhabitants: Inhabitants;
  readonly #groups = new Groups(this.#index);
  readonly #context: ExpandContext = { index: this.#index, rules: this.#rules, nextSerial: () => this.#serial++ };
  readonly #rowContext: RowContext;
  readonly #byKey = new Map<string, KnownPolicy>();
  readonly #byPolicy = new Map<Policy, KnownPolicy>();
  readonly #identities = new Map<number, Identity>();
  #last: CompiledPolicy | null = null;
  #serial = 1;
  #compilation = 0;

  /** `earlier`: what another compiler's tables say, which these are to take the place of. It is asked until forgetEarlier(). */
  constructor(earlier: EarlierNumbers = new Map()) {
    this.#allocator = new IdentityAllocator(earlier);
    this.#inhabitants = new Inhabitants(this.#allocator);
    const host = this.#index.entryOf({ kind: 'endpoints', selector: [isReserved('host')] });
    this.#index.pin(host);
    const name = "the node's own traffic";
    const rule = this.#rules.hold(
      { policy: null, direction: 'ingress', action: 'allow', section: 0, index: 0, name, matchType: 'L3-Only' },
      new RuleIds(),
    );
    const cell = { precedence: precedenceOf(hostRank, 'allow'), rule };
    const items = [{ protocol: 0, port: 0, bits: 0, tier: 1, cell }];
    const hostRule: ExpandedRule = { serial: 0, everybody: false, entries: [host], items, named: [], templates: null };
    this.#rowContext = { index: this.#index, hostRule };
  }

  /** The earlier tables are no more: numbers are this compiler's own affair from now on. */
  forgetEarlier(): void {
    this.#allocator.forgetEarlier();
  }

  /**
   * Policies and what is there, as tables. Where two policies have the same kind, namespace and name the last one counts.
   * Throws MillraceError IDENTITIES_EXHAUSTED; the compiler is of no more use then.
   */
  compile(policies: readonly Policy[], cluster: PolicyCluster): CompiledPolicy {
    this.#compilation += 1;
    const change = new Change();
    const { added, removed, statuses } = this.#comparePolicies(policies, cluster.services);
    // What policies name decides which identities there are, so that comes before any of them is looked for.
    for (const { prepared } of added) for (const { interests } of prepared) this.#interests.hold(interests);
    for (const { sections } of removed) for (const { interests } of sections) this.#interests.drop(interests);
    const population = this.#inhabitants.update(cluster, this.#interests);
    this.#removeIdentities(population.removed, change);
    this.#replaceSections(added, removed);
    this.#addIdentities(population.added, change);
    const regrouped = this.#groups.settle();
    const rowsChanged = this.#makeRows(regrouped.fresh, change) || regrouped.changed;
    return this.#publish(population, statuses, { identities: change.identities, rows: rowsChanged, subjects: regrouped.changed });
  }

  #comparePolicies(policies: readonly Policy[], services: readonly PolicyService[]) {
    const latest = new Map<string, NewPolicy>();
    const statuses: PolicyStatus[] = [];
    for (const policy of policies) {
      const same = this.#byPolicy.get(policy);
      if (same !== undefined && same.services === null) {
        this.#see(same, latest);
        statuses.push(same.status);
        continue;
      }
      const key = referenceKey(policy.reference);
      const before = this.#byKey.get(key) ?? null;
      const prepared = policy.sections.map((section) => prepareSection(policy, section, services));
      const resolved = policy.sections.some(usesService) ? asText(prepared.map(({ rules }) => rules.map(({ peers }) => peers))) : null;
      if (before !== null && before.services === resolved && (before.policy === policy || asText(before.policy) === asText(policy))) {
        this.#byPolicy.delete(before.policy);
        before.policy = policy;
        this.#byPolicy.set(policy, before);
        this.#see(before, latest);
        statuses.push(before.status);
        continue;
      }
      const status = { reference: policy.reference, valid: policy.problems.length === 0, reasons: policy.problems };
      statuses.push(status);
      if (before !== null) before.seen = 0;
      latest.set(key, { key, policy, services: resolved, prepared, status, before });
    }
    const removed = [...this.#byKey.values()].filter(({ seen }) => seen !== this.#compilation);
    return { added: [...latest.values()], removed, statuses };
  }

  #see(known: KnownPolicy, latest: Map<string, NewPolicy>): void {
    known.seen = this.#compilation;
    if (latest.size > 0) latest.delete(known.key);
  }

  #replaceSections(added: readonly NewPolicy[], removed: readonly KnownPolicy[]): void {
    const idsOf = new Map<KnownPolicy, RuleIds>();
    for (const known of removed) {
      this.#byKey.delete(known.key);
      this.#byPolicy.delete(known.policy);
    }
    for (const { key, policy, services, prepared, status, before } of added) {
      const ids = new RuleIds();
      for (const id of before?.sections.flatMap(({ ruleIds }) => ruleIds) ?? []) {
        const rule = this.#rules.get(id);
        if (rule !== undefined) ids.add(rule);
      }
      if (before !== null) idsOf.set(before, ids);
      const sections = prepared.map((section) => expandSection(section, this.#context, ids));
      for (const section of sections) this.#groups.addSection(section);
      const known = { key, policy, services, sections, status, seen: this.#compilation };
      this.#byKey.set(key, known);
      this.#byPolicy.set(policy, known);
    }
    for (const known of removed) {
      for (const section of known.sections) {
        this.#groups.removeSection(section);
        releaseSection(section, this.#context, idsOf.get(known) ?? new RuleIds());
      }
    }
  }

  #removeIdentities(records: readonly IdentityRecord[], change: Change): void {
    for (const record of records) {
      const { id } = record.identity;
      for (const entry of this.#index.remove(record)) change.touch(entry, id);
      this.#groups.removeIdentity(id);
      this.#identities.delete(id);
    }
    if (records.length > 0) change.identities = true;
  }

  #addIdentities(records: readonly IdentityRecord[], change: Change): void {
    for (const record of records) {
      const { id } = record.identity;
      for (const entry of this.#index.add(record)) {
        change.touch(entry, id);
        if (entry.subjectOf !== null) for (const section of entry.subjectOf) this.#groups.select(id, section);
      }
      this.#identities.set(id, record.identity);
    }
    if (records.length > 0) change.identities = true;
  }

  /** Makes the rows of new groups, and those of changed peers in the others; true where any did. */
  #makeRows(fresh: ReadonlySet<Group>, change: Change): boolean {
    for (const group of fresh) group.rows = buildRows(group, this.#rowContext);
    const patches = new Map<Group, Set<number>>();
    const patch = (group: Group, ids: ReadonlySet<number>) => {
      if (fresh.has(group)) return;
      const peers = patches.get(group) ?? new Set<number>();
      for (const id of ids) peers.add(id);
      patches.set(group, peers);
    };
    for (const [entry, ids] of change.peers) {
      if (this.#rowContext.hostRule.entries.includes(entry)) for (const group of this.#groups.all()) patch(group, ids);
      for (const section of entry.peerOf ?? []) for (const group of section.groups ?? []) patch(group, ids);
    }
    for (const [group, peers] of patches) group.rows = patchRows(group, peers, this.#rowContext);
    return fresh.size > 0 || patches.size > 0;
  }

  #publish(
    population: Population,
    statuses: readonly PolicyStatus[],
    changed: { identities: boolean; rows: boolean; subjects: boolean },
  ): CompiledPolicy {
    const last = this.#last;
    this.#last = {
      identities: last !== null && !changed.identities ? last.identities : [...this.#identities.values()],
      ipcache: population.ipcache,
      endpoints: population.endpoints,
      subjects: last !== null && !changed.subjects ? last.subjects : this.#groups.subjects(),
      rows: last !== null && !changed.rows ? last.rows : rowsByPolicy(this.#groups.all()),
      rules: this.#rules.snapshot(),
      statuses: last !== null && sameItems(last.statuses, statuses) ? last.statuses : statuses,
    };
    return this.#last;
  }
}

/** What one compilation has found to be different. */
class Change {
  /** Peers that name other identities than before, and which. */
  readonly peers = new Map<PeerEntry, Set<number>>();
  identities = false;

  touch(entry: PeerEntry, id: number): void {
    const ids = this.peers.get(entry);
    if (ids === undefined) this.peers.set(entry, new Set([id]));
    else ids.add(id);
  }
}

function rowsByPolicy(groups: Iterable<Group>): ReadonlyMap<number, readonly PolicyRow[]> {
  const rows = new Map<number, readonly PolicyRow[]>();
  for (const group of groups) rows.set(group.policy, group.rows);
  return rows;
}

function usesService(section: Policy['sections'][number]): boolean {
  return section.rules.some(
    ({ peers }) => peers.kind === 'some' && peers.peers.some(({ kind }) => kind === 'service' || kind === 'services'),
  );
}

/** Equal for values that say the same; the caller may make the objects anew for each compilation. */
function asText(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) => (item instanceof Uint8Array ? item.join('.') : item));
}

function sameItems<T>(before: readonly T[], now: readonly T[]): boolean {
  return before.length === now.length && now.every((item, index) => item === before[index]);
}
