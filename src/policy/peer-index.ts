import type { IdentityRecord } from './identity.ts';
import { namespaceKey } from './labels.ts';
import type { PeerEntry, PlainPeer } from './parts.ts';
import { peerKey, peerMatcher } from './peer-entry.ts';
import { PrefixMap } from './prefix-map.ts';
import type { LabelRequirement } from './types.ts';

/**
 * Which identities each peer of the policies names. Thousands of selectors meet thousands of identities, so selectors are indexed: one stands under a
 * label that it demands (with the namespace, where it demands one), and an identity is compared only with those under its own labels.
 */
export class PeerIndex {
  readonly #entries = new Map<string, PeerEntry>();
  readonly #pinned = new Set<PeerEntry>();
  /** Selectors by the label that they demand; '' holds those that demand none. */
  readonly #byLabel = new Map<string, Set<PeerEntry>>();
  /** Ranges by address. */
  readonly #byRange = new PrefixMap<Set<PeerEntry>>();
  readonly #records = new Map<number, IdentityRecord>();
  readonly #idsByNamespace = new Map<string, Set<number>>();
  readonly #rangeIds = new Set<number>();

  /** The entry of a peer; a new one is compared with the identities that are known. */
  entryOf(peer: PlainPeer): PeerEntry {
    const key = peerKey(peer);
    const known = this.#entries.get(key);
    if (known !== undefined) return known;
    const entry: PeerEntry = { key, peer, ids: new Set(), subjectOf: null, peerOf: null };
    this.#entries.set(key, entry);
    if (peer.kind === 'cidr') {
      const at = this.#byRange.get(peer.cidr);
      if (at === undefined) this.#byRange.set(peer.cidr, new Set([entry]));
      else at.add(entry);
    }
    for (const anchor of anchorsOf(peer)) addTo(this.#byLabel, anchor, entry);
    const matches = peerMatcher(peer);
    for (const id of this.#candidates(peer)) {
      const record = this.#records.get(id);
      if (record !== undefined && matches(record)) entry.ids.add(id);
    }
    return entry;
  }

  /** Keeps an entry for good. */
  pin(entry: PeerEntry): void {
    this.#pinned.add(entry);
  }

  /** Forgets an entry that no section uses any more. */
  release(entry: PeerEntry): void {
    if (this.#pinned.has(entry) || entry.subjectOf !== null || entry.peerOf !== null || this.#entries.get(entry.key) !== entry) return;
    this.#entries.delete(entry.key);
    if (entry.peer.kind === 'cidr') {
      const at = this.#byRange.get(entry.peer.cidr);
      at?.delete(entry);
      if (at?.size === 0) this.#byRange.delete(entry.peer.cidr);
    }
    for (const anchor of anchorsOf(entry.peer)) removeFrom(this.#byLabel, anchor, entry);
  }

  recordOf(id: number): IdentityRecord | undefined {
    return this.#records.get(id);
  }

  /** Adds an identity to every entry that names it; returns those. */
  add(record: IdentityRecord): PeerEntry[] {
    const { id } = record.identity;
    this.#records.set(id, record);
    const namespace = namespaceOf(record);
    if (namespace !== undefined) addTo(this.#idsByNamespace, namespace, id);
    if (record.range !== null) this.#rangeIds.add(id);
    // made for this one look: entries are tens of thousands, and what they keep counts
    const named = this.#entriesFor(record).filter(({ peer }) => peerMatcher(peer)(record));
    for (const entry of named) entry.ids.add(id);
    return named;
  }

  /** Removes an identity; returns the entries that named it. */
  remove(record: IdentityRecord): PeerEntry[] {
    const { id } = record.identity;
    if (this.#records.get(id) !== record) return [];
    this.#records.delete(id);
    const namespace = namespaceOf(record);
    if (namespace !== undefined) removeFrom(this.#idsByNamespace, namespace, id);
    this.#rangeIds.delete(id);
    return this.#entriesFor(record).filter((entry) => entry.ids.delete(id));
  }

  /** Entries that may name a record: a superset. */
  #entriesFor(record: IdentityRecord): PeerEntry[] {
    const found: PeerEntry[] = [];
    const collect = (set: Iterable<PeerEntry> | undefined) => {
      if (set !== undefined) for (const entry of set) found.push(entry);
    };
    const namespace = namespaceOf(record);
    for (const [label, value] of record.labels) {
      const plain = label.slice(label.indexOf(':') + 1);
      collect(this.#byLabel.get(plain));
      collect(this.#byLabel.get(`${plain}=${value}`));
      if (namespace !== undefined && plain !== namespaceKey) collect(this.#byLabel.get(`${namespace}|${plain}=${value}`));
    }
    collect(this.#byLabel.get(''));
    if (record.range !== null) for (const set of this.#byRange.covering(record.range)) collect(set);
    // Blocks and names are keys of the record itself.
    for (const key of record.blocks) collect(single(this.#entries.get(`cidr all ${key}`)));
    for (const key of record.fqdns) collect(single(this.#entries.get(key)));
    return found;
  }

  #candidates(peer: PlainPeer): Iterable<number> {
    if (peer.kind === 'cidr' && !peer.inCluster) return this.#rangeIds;
    const namespace = peer.kind === 'endpoints' ? demandedNamespace(peer.selector) : undefined;
    return namespace === undefined ? this.#records.keys() : (this.#idsByNamespace.get(namespace) ?? []);
  }
}

function namespaceOf(record: IdentityRecord): string | undefined {
  return record.labels.get(`k8s:${namespaceKey}`);
}

function demandedNamespace(selector: readonly LabelRequirement[]): string | undefined {
  const demand = selector.find(
    ({ source, key, operator, values }) => operator === 'In' && source === 'k8s' && key === namespaceKey && values.length === 1,
  );
  return demand?.values[0];
}

/** Labels of which an identity must have one to be named; [''] where nothing is demanded. Sources are left out: they are compared later. */
function anchorsOf(peer: PlainPeer): string[] {
  if (peer.kind === 'cidr' || peer.kind === 'fqdn') return [];
  const namespace = demandedNamespace(peer.selector);
  const whole = namespace === undefined ? '' : `${namespaceKey}=${namespace}`;
  let best: LabelRequirement | null = null;
  for (const demand of peer.selector) {
    if (demand.operator !== 'In' && demand.operator !== 'Exists') continue;
    if (namespace !== undefined && demand.key === namespaceKey) continue;
    if (best === null || weight(demand) < weight(best)) best = demand;
  }
  if (best === null) return [whole];
  if (best.operator === 'Exists') return namespace === undefined ? [best.key] : [whole];
  const { key, values } = best;
  return [...new Set(values)].map((value) => `${namespace === undefined ? '' : `${namespace}|`}${key}=${value}`);
}

/** How many identities a requirement is likely to leave; only the order counts. */
function weight({ operator, key, values }: LabelRequirement): number {
  if (operator === 'Exists') return key === namespaceKey ? 4000 : 1000;
  return values.length + (key.includes('namespace') || key.startsWith('io.cilium.k8s.policy.cluster') ? 100 : 0);
}

function addTo<T>(map: Map<string, Set<T>>, key: string, value: T): void {
  const set = map.get(key);
  if (set === undefined) map.set(key, new Set([value]));
  else set.add(value);
}

function removeFrom<T>(map: Map<string, Set<T>>, key: string, value: T): void {
  const set = map.get(key);
  set?.delete(value);
  if (set?.size === 0) map.delete(key);
}

function single<T>(value: T | undefined): T[] {
  return value === undefined ? [] : [value];
}
