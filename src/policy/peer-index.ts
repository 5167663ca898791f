import type { IdentityRecord } from './identity.ts';
import { namespaceKey } from './labels.ts';
import type { PeerEntry, PlainPeer } from './peer-entry.ts';
import { namesIdentity, peerKey } from './peer-entry.ts';
import { PrefixMap } from './prefix-map.ts';
import type { LabelRequirement } from './types.ts';

/**
 * Which identities each peer of the policies names. Thousands of selectors meet thousands of identities, so both sides are indexed: a selector stands
 * under one label that it demands (with the namespace, where it demands one), and an identity is compared only with those under its own labels.
 */
export class PeerIndex {
  readonly #entries = new Map<string, PeerEntry>();
  /** Selectors by the label that they demand; '' holds those that demand none. */
  readonly #byLabel = new Map<string, Set<PeerEntry>>();
  /** Ranges by address. */
  readonly #byRange = new PrefixMap<Set<PeerEntry>>();
  readonly #records = new Map<number, IdentityRecord>();
  /** Ids by every label that they have, and by label and namespace. */
  readonly #idsByLabel = new Map<string, Set<number>>();
  readonly #rangeIds = new Set<number>();
  readonly #pinned = new Set<PeerEntry>();

  /** The entry of a peer; a new one is compared with every identity that is known. */
  entryOf(peer: PlainPeer): PeerEntry {
    const key = peerKey(peer);
    const known = this.#entries.get(key);
    if (known !== undefined) return known;
    const entry: PeerEntry = { key, peer, ids: new Set(), subjectOf: new Set(), peerOf: new Set() };
    this.#entries.set(key, entry);
    for (const set of this.#places(entry, true)) set.add(entry);
    for (const id of this.#candidates(peer)) {
      const record = this.#records.get(id);
      if (record !== undefined && namesIdentity(peer, record)) entry.ids.add(id);
    }
    return entry;
  }

  /** Keeps an entry for good. */
  pin(entry: PeerEntry): void {
    this.#pinned.add(entry);
  }

  /** Forgets an entry that no section uses any more. */
  release(entry: PeerEntry): void {
    if (this.#pinned.has(entry)) return;
    if (entry.subjectOf.size > 0 || entry.peerOf.size > 0 || this.#entries.get(entry.key) !== entry) return;
    this.#entries.delete(entry.key);
    for (const set of this.#places(entry, false)) set.delete(entry);
    if (entry.peer.kind === 'cidr' && this.#byRange.get(entry.peer.cidr)?.size === 0) this.#byRange.delete(entry.peer.cidr);
    for (const anchor of anchorsOf(entry.peer)) if (this.#byLabel.get(anchor)?.size === 0) this.#byLabel.delete(anchor);
  }

  recordOf(id: number): IdentityRecord | undefined {
    return this.#records.get(id);
  }

  /** Adds an identity to every entry that names it; returns those. */
  add(record: IdentityRecord): PeerEntry[] {
    const { id } = record.identity;
    this.#records.set(id, record);
    for (const key of labelKeys(record)) setOf(this.#idsByLabel, key).add(id);
    if (record.range !== null) this.#rangeIds.add(id);
    const named: PeerEntry[] = [];
    for (const entry of this.#entriesFor(record)) {
      if (!namesIdentity(entry.peer, record)) continue;
      entry.ids.add(id);
      named.push(entry);
    }
    return named;
  }

  /** Removes an identity; returns the entries that named it. */
  remove(record: IdentityRecord): PeerEntry[] {
    const { id } = record.identity;
    if (this.#records.get(id) !== record) return [];
    this.#records.delete(id);
    for (const key of labelKeys(record)) {
      const ids = this.#idsByLabel.get(key);
      ids?.delete(id);
      if (ids?.size === 0) this.#idsByLabel.delete(key);
    }
    this.#rangeIds.delete(id);
    return this.#entriesFor(record).filter((entry) => entry.ids.delete(id));
  }

  /** Entries that may name a record: a superset. */
  #entriesFor(record: IdentityRecord): PeerEntry[] {
    const found: PeerEntry[] = [];
    const collect = (set: Iterable<PeerEntry> | undefined) => {
      for (const entry of set ?? []) found.push(entry);
    };
    for (const key of labelKeys(record)) collect(this.#byLabel.get(key));
    collect(this.#byLabel.get(''));
    if (record.range !== null) for (const set of this.#byRange.covering(record.range)) collect(set);
    // Blocks and names are keys of the record itself.
    for (const key of record.blocks) collect(single(this.#entries.get(`cidr all ${key}`)));
    for (const key of record.fqdns) collect(single(this.#entries.get(key)));
    return found;
  }

  #places(entry: PeerEntry, make: boolean): Set<PeerEntry>[] {
    const { peer } = entry;
    if (peer.kind === 'fqdn') return [];
    if (peer.kind === 'cidr') {
      let set = this.#byRange.get(peer.cidr);
      if (set === undefined && make) {
        set = new Set();
        this.#byRange.set(peer.cidr, set);
      }
      return set === undefined ? [] : [set];
    }
    return anchorsOf(peer).map((anchor) => setOf(this.#byLabel, anchor));
  }

  #candidates(peer: PlainPeer): Iterable<number> {
    if (peer.kind === 'cidr') return peer.inCluster ? this.#records.keys() : this.#rangeIds;
    if (peer.kind === 'fqdn') return this.#records.keys();
    const anchors = anchorsOf(peer);
    if (anchors.includes('')) return this.#records.keys();
    const ids = new Set<number>();
    for (const anchor of anchors) for (const id of this.#idsByLabel.get(anchor) ?? []) ids.add(id);
    return ids;
  }
}

/** Labels of an identity as anchors have them: `key=value`, `key`, and both behind the namespace. */
function labelKeys(record: IdentityRecord): string[] {
  const keys: string[] = [];
  const namespace = record.labels.get(`k8s:${namespaceKey}`);
  for (const [label, value] of record.labels) {
    const plain = label.slice(label.indexOf(':') + 1);
    keys.push(`${plain}=${value}`, plain);
    if (namespace !== undefined && plain !== namespaceKey) keys.push(`${namespace}|${plain}=${value}`);
  }
  return keys;
}

/** Labels of which an identity must have one to be named; [''] where nothing is demanded. Sources are left out: they are compared later. */
function anchorsOf(peer: PlainPeer): string[] {
  if (peer.kind === 'cidr' || peer.kind === 'fqdn') return [];
  const demands = peer.selector.filter(({ operator }) => operator === 'In' || operator === 'Exists');
  const namespace = demands.find(({ source, key, values }) => source === 'k8s' && key === namespaceKey && values.length === 1)?.values[0];
  const [best] = demands.filter((demand) => namespace === undefined || demand.key !== namespaceKey).sort((a, b) => weight(a) - weight(b));
  if (best === undefined) return namespace === undefined ? [''] : [`${namespaceKey}=${namespace}`];
  if (best.operator === 'Exists') return namespace === undefined ? [best.key] : [`${namespaceKey}=${namespace}`];
  return [...new Set(best.values)].map((value) => `${namespace === undefined ? '' : `${namespace}|`}${best.key}=${value}`);
}

/** How many identities a requirement is likely to leave; only the order counts. */
function weight({ operator, key, values }: LabelRequirement): number {
  if (operator === 'Exists') return key === namespaceKey ? 4000 : 1000;
  return values.length + (key.includes('namespace') || key.startsWith('io.cilium.k8s.policy.cluster') ? 100 : 0);
}

function setOf<T>(map: Map<string, Set<T>>, key: string): Set<T> {
  let set = map.get(key);
  if (set === undefined) {
    set = new Set();
    map.set(key, set);
  }
  return set;
}

function single<T>(value: T | undefined): T[] {
  return value === undefined ? [] : [value];
}
