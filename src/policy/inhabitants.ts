import { formatCidr, formatIp, parseCidrOrIp, parseIp, unmapIp } from '../pods/address.ts';
import type { Cidr } from '../pods/types.ts';
import { matchesFqdn } from './fqdn.ts';
import type { IdentityAllocator, IdentityRecord, Outside } from './identity.ts';
import type { Interests } from './interests.ts';
import type { LabelSet } from './labels.ts';
import { podLabels } from './labels.ts';
import { apiServerAddresses } from './services.ts';
import type { CompiledEndpoint, IpcacheEntry, PolicyCluster, PolicyNamespace, PolicyNode, PolicyPod } from './types.ts';

/** Where Istio lets the kubelet's probes come from in ambient pods: they are the node's traffic (contract 6). */
export const probeAddresses: readonly string[] = ['169.254.7.127', 'fd16:9254:7127:1337:ffff:ffff:ffff:ffff'];

/** Who is there, and under which address. */
export interface Population {
  readonly records: ReadonlyMap<string, IdentityRecord>;
  readonly ipcache: readonly IpcacheEntry[];
  readonly endpoints: readonly CompiledEndpoint[];
}

interface KnownPod {
  readonly pod: PolicyPod;
  readonly namespace: PolicyNamespace | undefined;
  readonly version: number;
  readonly records: readonly IdentityRecord[];
  readonly entries: readonly IpcacheEntry[];
  readonly endpoint: CompiledEndpoint;
}

interface KnownRange {
  readonly record: IdentityRecord;
  readonly entry: IpcacheEntry;
}

/** Gives identities to pods, nodes and what is outside. It keeps what it knew, so that a pod that did not change costs next to nothing. */
export class Inhabitants {
  readonly #allocator: IdentityAllocator;
  #records = new Map<string, IdentityRecord>();
  #pods = new Map<string, KnownPod>();
  #ranges = new Map<Cidr, KnownRange>();
  #entries = new Map<string, IpcacheEntry>();
  #ipcache: readonly IpcacheEntry[] = [];
  #endpoints: readonly CompiledEndpoint[] = [];

  constructor(allocator: IdentityAllocator) {
    this.#allocator = allocator;
  }

  /** Everybody, as of now. Identities that are no longer used give their numbers back. */
  update(cluster: PolicyCluster, interests: Interests): Population {
    const live = new Map<string, IdentityRecord>();
    const keep = (record: IdentityRecord): IdentityRecord => {
      const known = live.get(record.key) ?? this.#records.get(record.key) ?? record;
      live.set(known.key, known);
      return known;
    };
    const places = new Places(this.#entries);
    const endpoints: CompiledEndpoint[] = [];
    this.#addPods(cluster, interests, keep, places, endpoints);
    this.#addNodes(cluster, interests, keep, places);
    this.#addOutside(cluster, interests, keep, places);
    for (const name of ['unmanaged', 'health', 'init', 'ingress'] as const) keep(this.#allocator.reserved(name));
    for (const [key, record] of this.#records) if (!live.has(key)) this.#allocator.free(record);
    this.#records = live;
    this.#entries = places.entries;
    this.#ipcache = sameItems(this.#ipcache, [...places.entries.values()]);
    this.#endpoints = sameItems(this.#endpoints, endpoints);
    return { records: live, ipcache: this.#ipcache, endpoints: this.#endpoints };
  }

  #addPods(cluster: PolicyCluster, interests: Interests, keep: Keep, places: Places, endpoints: CompiledEndpoint[]): void {
    const namespaces = new Map(cluster.namespaces.map((namespace) => [namespace.name, namespace]));
    const pods = new Map<string, KnownPod>();
    const version = interests.podVersion;
    const { labels } = interests;
    for (const pod of cluster.pods) {
      if (pod.hostNetwork) continue;
      const key = `${pod.namespace}/${pod.name}`;
      const namespace = namespaces.get(pod.namespace);
      let known = this.#pods.get(key);
      if (known === undefined || known.pod !== pod || known.namespace !== namespace || known.version !== version) {
        known = this.#podOf(pod, namespace, version, labels, interests, keep, places, known);
      }
      pods.set(key, known);
      for (const record of known.records) keep(record);
      for (const entry of known.entries) places.addEntry(entry);
      endpoints.push(known.endpoint);
    }
    this.#pods = pods;
  }

  #podOf(
    pod: PolicyPod,
    namespace: PolicyNamespace | undefined,
    version: number,
    named: ReadonlySet<string>,
    interests: Interests,
    keep: Keep,
    places: Places,
    before: KnownPod | undefined,
  ): KnownPod {
    const labels = podLabels(pod, namespace, named);
    const ports = pod.namedPorts.filter(({ name }) => interests.ports.has(name));
    const records: IdentityRecord[] = [];
    const entries: IpcacheEntry[] = [];
    for (const address of pod.addresses) {
      const range = parseCidrOrIp(address);
      if (range === null) continue;
      const record = keep(this.#allocator.pods(labels, ports, interests.blocksOf(range)));
      records.push(record);
      entries.push(places.entryOf(formatCidr(range), record.identity.id));
    }
    const first = records[0] ?? keep(this.#allocator.pods(labels, ports, []));
    const { id } = first.identity;
    const endpoint = before?.endpoint.identity === id ? before.endpoint : { namespace: pod.namespace, name: pod.name, identity: id };
    return { pod, namespace, version, records: records.length > 0 ? records : [first], entries, endpoint };
  }

  #addNodes(cluster: PolicyCluster, interests: Interests, keep: Keep, places: Places): void {
    const apiServer = apiServerAddresses(cluster.services);
    const nodes = [...cluster.nodes, ...nodesOfPods(cluster.pods)];
    const labelsOf = (node: PolicyNode): LabelSet =>
      new Map(interests.nodes ? Object.entries(node.labels).map(([key, value]) => [`node:${key}`, value]) : []);
    const own = nodes.filter(({ local }) => local);
    const ownRanges = own.flatMap(({ addresses }) => addresses.flatMap((address) => parseCidrOrIp(address) ?? []));
    const host = keep(
      this.#allocator.host(
        new Map(own.flatMap((node) => [...labelsOf(node)])),
        // The host is one identity: a range that holds one of its addresses holds it.
        [...new Set(ownRanges.flatMap((range) => interests.blocksOf(range)))],
        own.some(({ addresses }) => addresses.some((address) => apiServer.has(address))),
      ),
    );
    for (const range of ownRanges) places.add(range, host);
    for (const address of probeAddresses) {
      const range = parseCidrOrIp(address);
      if (range !== null) places.add(range, host);
    }
    keep(this.#allocator.remoteNode(new Map(), [], false));
    for (const node of nodes) {
      if (node.local) continue;
      const labels = labelsOf(node);
      for (const address of node.addresses) {
        const range = parseCidrOrIp(address);
        if (range !== null) places.add(range, keep(this.#allocator.remoteNode(labels, interests.blocksOf(range), apiServer.has(address))));
      }
    }
  }

  #addOutside(cluster: PolicyCluster, interests: Interests, keep: Keep, places: Places): void {
    const none = new Map<string, string>();
    keep(this.#allocator.outside({ range: null, fqdns: none, apiServer: false }));
    keep(this.#allocator.outside({ range: null, fqdns: none, apiServer: true }));
    for (const [text, outside] of outsiders(cluster, interests)) {
      const range = parseCidrOrIp(text);
      // Addresses of pods and nodes are taken, and stay theirs.
      if (range !== null && !places.has(range)) places.add(range, keep(this.#allocator.outside(outside)));
    }
    const ranges = new Map<Cidr, KnownRange>();
    for (const range of interests.ranges.values()) {
      let known = this.#ranges.get(range);
      if (known === undefined) {
        const record = this.#allocator.outside({ range, fqdns: none, apiServer: false });
        known = { record, entry: places.entryOf(formatCidr(range), record.identity.id) };
      }
      ranges.set(range, known);
      keep(known.record);
      places.addEntry(known.entry);
    }
    this.#ranges = ranges;
  }
}

type Keep = (record: IdentityRecord) => IdentityRecord;

/** The ipcache being made; entries that stay as they were are the same objects. */
class Places {
  readonly #before: ReadonlyMap<string, IpcacheEntry>;
  readonly entries = new Map<string, IpcacheEntry>();

  constructor(before: ReadonlyMap<string, IpcacheEntry>) {
    this.#before = before;
  }

  entryOf(prefix: string, identity: number): IpcacheEntry {
    const before = this.#before.get(prefix);
    return before?.identity === identity ? before : { prefix, identity };
  }

  /** The first that claims an address has it. */
  addEntry(entry: IpcacheEntry): void {
    if (!this.entries.has(entry.prefix)) this.entries.set(entry.prefix, entry);
  }

  add(range: Cidr, record: IdentityRecord): void {
    this.addEntry(this.entryOf(formatCidr(range), record.identity.id));
  }

  has(range: Cidr): boolean {
    return this.entries.has(formatCidr(range));
  }
}

/** Pods on the host network tell of nodes' addresses, also where nobody lists the nodes. */
function nodesOfPods(pods: readonly PolicyPod[]): PolicyNode[] {
  return pods.filter(({ hostNetwork }) => hostNetwork).map(({ name, addresses, local }) => ({ name, labels: {}, addresses, local }));
}

/** Addresses outside that are known by more than a range: names that DNS gave them, the API server. */
function outsiders(cluster: PolicyCluster, interests: Interests): Map<string, Outside> {
  const found = new Map<string, { range: Cidr | null; fqdns: Map<string, string>; apiServer: boolean }>();
  const at = (address: string) => {
    const parsed = parseIp(address);
    if (parsed === null) return null;
    const ip = unmapIp(parsed);
    const text = formatIp(ip);
    let outside = found.get(text);
    if (outside === undefined) {
      outside = { range: interests.rangeMap.longest(ip) ?? null, fqdns: new Map(), apiServer: false };
      found.set(text, outside);
    }
    return outside;
  };
  for (const address of apiServerAddresses(cluster.services)) {
    const outside = at(address);
    if (outside !== null) outside.apiServer = true;
  }
  if (interests.fqdns.size === 0) return found;
  const selectors = [...interests.fqdns.values()];
  for (const [name, addresses] of cluster.names) {
    const matching = selectors.filter((selector) => matchesFqdn(selector, name));
    if (matching.length === 0) continue;
    for (const address of addresses) {
      const outside = at(address);
      for (const { key, text } of matching) outside?.fqdns.set(key, text);
    }
  }
  return found;
}

/** The list from before where the new one has the same objects. */
function sameItems<T>(before: readonly T[], now: readonly T[]): readonly T[] {
  return before.length === now.length && now.every((item, index) => item === before[index]) ? before : now;
}
