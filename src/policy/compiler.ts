import type { ExpandContext, ExpandedRule, ExpandedSection, PreparedSection } from './expand.ts';
import { expandSection, precedenceOf, prepareSection, releaseSection } from './expand.ts';
import type { Group, RowContext } from './group.ts';
import { buildRows, patchRows } from './group.ts';
import type { IdentityRecord, NamedPort } from './identity.ts';
import { IdentityAllocator } from './identity.ts';
import type { Population } from './inhabitants.ts';
import { Inhabitants } from './inhabitants.ts';
import { Interests } from './interests.ts';
import type { PeerEntry } from './peer-entry.ts';
import { PeerIndex } from './peer-index.ts';
import { RuleTable, referenceKey } from './rule-table.ts';
import { isReserved } from './selectors.ts';
import type { CompiledPolicy, CompiledSubject, Policy, PolicyCluster, PolicyRow, PolicyService, PolicyStatus } from './types.ts';

/** The greatest rank that the kernel's precedence has room for. */
const hostRank = 2 ** 24 - 1;

/** A policy as it was compiled last. */
interface KnownPolicy {
  policy: Policy;
  /** The services that it names, resolved: another text means other rules. */
  readonly services: string;
  readonly prepared: readonly PreparedSection[];
  readonly sections: readonly ExpandedSection[];
  readonly status: PolicyStatus;
}

type NewPolicy = Omit<KnownPolicy, 'sections'> & { readonly key: string };

/**
 * Compiles policies into the rows of the kernel's tables, over and over: it keeps what it made, so that a change costs what it touches. Identity,
 * policy and rule numbers are stable while what they stand for is there. One per node; not to be called from within itself.
 */
export class PolicyCompiler {
  readonly #index = new PeerIndex();
  readonly #rules = new RuleTable();
  readonly #interests = new Interests();
  readonly #inhabitants = new Inhabitants(new IdentityAllocator());
  readonly #rowContext: RowContext;
  #policies = new Map<string, KnownPolicy>();
  #records: ReadonlyMap<string, IdentityRecord> = new Map();
  /** Which sections select an identity of pods. */
  readonly #sectionsOf = new Map<number, Set<ExpandedSection>>();
  readonly #groups = new Map<string, Group>();
  readonly #groupOf = new Map<number, Group>();
  readonly #groupsOf = new Map<ExpandedSection, Set<Group>>();
  readonly #subjects = new Map<number, CompiledSubject>();
  #last: CompiledPolicy | null = null;
  #nextPolicy = 1;
  #nextSerial = 1;

  constructor() {
    const host = this.#index.entryOf({ kind: 'endpoints', selector: [isReserved('host')] });
    this.#index.pin(host);
    const rule = this.#rules.hold({
      policy: null,
      direction: 'ingress',
      action: 'allow',
      section: 0,
      index: 0,
      name: "the node's own traffic",
      matchType: 'L3-Only',
    });
    const hostRule: ExpandedRule = {
      serial: 0,
      everybody: false,
      entries: [host],
      items: [{ protocol: 0, port: 0, bits: 0, tier: 1, cell: { precedence: precedenceOf(hostRank, 'allow'), rule } }],
      named: [],
      templates: null,
    };
    this.#rowContext = { index: this.#index, hostRule };
  }

  /**
   * Policies and what is there, as tables. Where two policies have the same kind, namespace and name the last one counts.
   * Throws MillraceError IDENTITIES_EXHAUSTED.
   */
  compile(policies: readonly Policy[], cluster: PolicyCluster): CompiledPolicy {
    const change = new Change();
    const { added, removed, statuses } = this.#comparePolicies(policies, cluster.services);
    const context: ExpandContext = {
      index: this.#index,
      rules: this.#rules,
      services: cluster.services,
      nextSerial: () => this.#nextSerial++,
    };
    // What policies name decides which identities there are, so that comes before any of them is looked for.
    for (const { prepared } of added) for (const { interests } of prepared) this.#interests.hold(interests);
    for (const { sections } of removed) for (const { interests } of sections) this.#interests.drop(interests);
    const population = this.#inhabitants.update(cluster, this.#interests);
    this.#removeIdentities(population, change);
    for (const known of added) this.#addSections(known, context, change);
    for (const { sections } of removed) for (const section of sections) this.#removeSection(section, context, change);
    this.#addIdentities(population, change);
    this.#records = population.records;
    const subjectsChanged = this.#regroup(change);
    const rowsChanged = this.#rebuild(change) || subjectsChanged;
    return this.#publish(population, statuses, { rows: rowsChanged, subjects: subjectsChanged });
  }

  #comparePolicies(policies: readonly Policy[], services: readonly PolicyService[]) {
    const next = new Map<string, KnownPolicy>();
    const latest = new Map<string, NewPolicy>();
    const statuses: PolicyStatus[] = [];
    for (const policy of policies) {
      const key = referenceKey(policy.reference);
      const before = this.#policies.get(key);
      const usesServices = policy.sections.some(usesService);
      let prepared = before !== undefined && !usesServices && before.policy === policy ? before.prepared : null;
      let text = '';
      if (prepared === null) {
        prepared = policy.sections.map((section) => prepareSection(policy, section, services));
        if (usesServices)
          text = JSON.stringify(
            prepared.map(({ rules }) => rules.map(({ peers }) => peers)),
            bytesAsList,
          );
      }
      const unchanged = before !== undefined && before.services === text && (before.policy === policy || samePolicy(before.policy, policy));
      if (unchanged) {
        // the same words in another object: from now on that one is compared
        before.policy = policy;
        next.set(key, before);
        latest.delete(key);
        statuses.push(before.status);
        continue;
      }
      const status = { reference: policy.reference, valid: policy.problems.length === 0, reasons: policy.problems };
      statuses.push(status);
      next.delete(key);
      latest.set(key, { key, policy, services: text, prepared, status });
    }
    const removed = [...this.#policies].filter(([key, known]) => next.get(key) !== known).map(([, known]) => known);
    this.#policies = next;
    return { added: [...latest.values()], removed, statuses };
  }

  #addSections(item: NewPolicy, context: ExpandContext, change: Change): void {
    const { key, policy, services, prepared, status } = item;
    const sections = prepared.map((section) => expandSection(section, context));
    for (const section of sections) for (const id of section.subject.ids) this.#select(id, section, change);
    this.#policies.set(key, { policy, services, prepared, sections, status });
  }

  #removeSection(section: ExpandedSection, context: ExpandContext, change: Change): void {
    for (const id of section.subject.ids) {
      if (this.#sectionsOf.get(id)?.delete(section)) change.dirty.add(id);
    }
    releaseSection(section, context);
  }

  #select(id: number, section: ExpandedSection, change: Change): void {
    if (this.#index.recordOf(id)?.identity.kind !== 'pods') return;
    let sections = this.#sectionsOf.get(id);
    if (sections === undefined) {
      sections = new Set();
      this.#sectionsOf.set(id, sections);
    }
    sections.add(section);
    change.dirty.add(id);
  }

  #removeIdentities(population: Population, change: Change): void {
    for (const [key, record] of this.#records) {
      if (population.records.has(key)) continue;
      const { id } = record.identity;
      for (const entry of this.#index.remove(record)) change.touch(entry, id);
      if (this.#sectionsOf.delete(id)) change.dirty.add(id);
    }
  }

  #addIdentities(population: Population, change: Change): void {
    for (const [key, record] of population.records) {
      if (this.#records.has(key)) continue;
      const { id } = record.identity;
      for (const entry of this.#index.add(record)) {
        change.touch(entry, id);
        for (const section of entry.subjectOf) this.#select(id, section, change);
      }
    }
  }

  /** Finds the group of each identity whose sections changed; true where a subject is another than before. */
  #regroup(change: Change): boolean {
    for (const id of change.dirty) {
      const before = this.#groupOf.get(id);
      const sections = [...(this.#sectionsOf.get(id) ?? [])].sort((a, b) => a.serial - b.serial);
      const group = sections.length === 0 ? undefined : this.#groupFor(sections, this.#index.recordOf(id)?.namedPorts ?? [], change);
      if (group === before) continue;
      change.subjects = true;
      if (group === undefined) {
        this.#groupOf.delete(id);
        this.#subjects.delete(id);
      } else {
        group.members += 1;
        this.#groupOf.set(id, group);
        this.#subjects.set(id, { identity: id, policy: group.policy, ...group.enforced });
      }
      if (before !== undefined) this.#leave(before);
    }
    return change.subjects;
  }

  #groupFor(sections: readonly ExpandedSection[], ports: readonly NamedPort[], change: Change): Group {
    const namedPorts = sections.some(({ namedIngress }) => namedIngress) ? ports : [];
    const portText = namedPorts.map(({ name, protocol, port }) => `${name}/${protocol}/${port}`).sort();
    const key = `${sections.map(({ serial }) => serial).join()} ${portText.join()}`;
    let group = this.#groups.get(key);
    if (group !== undefined) return group;
    const enforced = {
      ingress: sections.some((section) => section.enforced.ingress),
      egress: sections.some((section) => section.enforced.egress),
    };
    group = { key, policy: this.#nextPolicy++, sections, namedPorts, enforced, members: 0, rows: [] };
    this.#groups.set(key, group);
    for (const section of sections) {
      const groups = this.#groupsOf.get(section);
      if (groups === undefined) this.#groupsOf.set(section, new Set([group]));
      else groups.add(group);
    }
    change.fresh.add(group);
    return group;
  }

  #leave(group: Group): void {
    group.members -= 1;
    if (group.members > 0) return;
    this.#groups.delete(group.key);
    for (const section of group.sections) {
      const groups = this.#groupsOf.get(section);
      groups?.delete(group);
      if (groups?.size === 0) this.#groupsOf.delete(section);
    }
  }

  /** Makes the rows of new groups, and those of changed peers in the others; true where any did. */
  #rebuild(change: Change): boolean {
    for (const group of change.fresh) if (group.members > 0) group.rows = buildRows(group, this.#rowContext);
    const patches = new Map<Group, Set<number>>();
    const patch = (group: Group, ids: ReadonlySet<number>) => {
      if (change.fresh.has(group)) return;
      const peers = patches.get(group) ?? new Set<number>();
      for (const id of ids) peers.add(id);
      patches.set(group, peers);
    };
    for (const [entry, ids] of change.peers) {
      if (this.#rowContext.hostRule.entries.includes(entry)) for (const group of this.#groups.values()) patch(group, ids);
      for (const section of entry.peerOf) for (const group of this.#groupsOf.get(section) ?? []) patch(group, ids);
    }
    for (const [group, peers] of patches) group.rows = patchRows(group, peers, this.#rowContext);
    return change.fresh.size > 0 || patches.size > 0;
  }

  #publish(population: Population, statuses: readonly PolicyStatus[], changed: { rows: boolean; subjects: boolean }): CompiledPolicy {
    const last = this.#last;
    const identities = [...population.records.values()].map(({ identity }) => identity);
    const unique = new Map(identities.map((identity) => [identity.id, identity]));
    const list = [...unique.values()];
    this.#last = {
      identities: last !== null && sameItems(last.identities, list) ? last.identities : list,
      ipcache: population.ipcache,
      endpoints: population.endpoints,
      subjects: last !== null && !changed.subjects ? last.subjects : [...this.#subjects.values()],
      rows:
        last !== null && !changed.rows
          ? last.rows
          : new Map<number, readonly PolicyRow[]>([...this.#groups.values()].map(({ policy, rows }) => [policy, rows])),
      rules: this.#rules.snapshot(),
      statuses: last !== null && sameItems(last.statuses, statuses) ? last.statuses : statuses,
    };
    return this.#last;
  }
}

/** What one compilation has found to be different. */
class Change {
  /** Identities whose sections may be others than before. */
  readonly dirty = new Set<number>();
  /** Groups that are new. */
  readonly fresh = new Set<Group>();
  /** Peers that name other identities than before, and which. */
  readonly peers = new Map<PeerEntry, Set<number>>();
  subjects = false;

  touch(entry: PeerEntry, id: number): void {
    const ids = this.peers.get(entry);
    if (ids === undefined) this.peers.set(entry, new Set([id]));
    else ids.add(id);
  }
}

function usesService(section: Policy['sections'][number]): boolean {
  return section.rules.some(
    ({ peers }) => peers.kind === 'some' && peers.peers.some(({ kind }) => kind === 'service' || kind === 'services'),
  );
}

/** Whether two policies say the same; the caller may make the objects anew for each compilation. */
function samePolicy(a: Policy, b: Policy): boolean {
  return JSON.stringify(a, bytesAsList) === JSON.stringify(b, bytesAsList);
}

function bytesAsList(_key: string, value: unknown): unknown {
  return value instanceof Uint8Array ? value.join('.') : value;
}

function sameItems<T>(before: readonly T[], now: readonly T[]): boolean {
  return before.length === now.length && now.every((item, index) => item === before[index]);
}
