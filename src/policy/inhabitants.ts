import { formatCidr, parseCidrOrIp } from '../pods/address.ts';
import type { Cidr } from '../pods/types.ts';
import { AddressBook, Census, claims } from './census.ts';
import type { IdentityAllocator, IdentityRecord } from './identity.ts';
import type { Interests } from './interests.ts';
import type { LabelSet } from './labels.ts';
import { podLabels } from './labels.ts';
import { outsiders } from './outsiders.ts';
import { apiServerAddresses } from './services.ts';
import type { CompiledEndpoint, IpcacheEntry, PolicyCluster, PolicyNamespace, PolicyNode, PolicyPod } from './types.ts';

/** Where Istio lets the kubelet's probes come from in ambient pods: they are the node's traffic (contract 6). */
export const probeAddresses: readonly string[] = ['169.254.7.127', 'fd16:9254:7127:1337:ffff:ffff:ffff:ffff'];

/** Who is there, under which address, and who came and went since the last time. */
export interface Population {
  readonly added: readonly IdentityRecord[];
  readonly removed: readonly IdentityRecord[];
  readonly ipcache: readonly IpcacheEntry[];
  readonly endpoints: readonly CompiledEndpoint[];
}

/** Identities and addresses that belong together and go together. */
interface Holding {
  readonly records: readonly IdentityRecord[];
  readonly entries: readonly IpcacheEntry[];
}

interface KnownPod extends Holding {
  readonly namespace: PolicyNamespace | undefined;
  readonly version: number;
  readonly endpoint: CompiledEndpoint;
  /** The update that saw it last. */
  seen: number;
}

/** Gives identities to pods, nodes and what is outside. It keeps what it knew, so that a pod that did not change costs next to nothing. */
export class Inhabitants {
  readonly #allocator: IdentityAllocator;
  readonly #census = new Census();
  readonly #book = new AddressBook();
  readonly #pods = new Map<PolicyPod, KnownPod>();
  #endpoints: readonly CompiledEndpoint[] = [];
  #nodes: Holding = { records: [], entries: [] };
  #known: Holding = { records: [], entries: [] };
  readonly #ranges = new Map<Cidr, Holding>();
  #rangeVersion = -1;
  #update = 0;

  constructor(allocator: IdentityAllocator) {
    this.#allocator = allocator;
    // Rules may name these though nobody here has an address of theirs.
    for (const name of ['unmanaged', 'health', 'init', 'ingress'] as const) this.#census.hold(allocator.reserved(name));
    this.#census.hold(allocator.remoteNode(new Map(), [], false));
    for (const apiServer of [false, true]) this.#census.hold(allocator.outside({ range: null, fqdns: new Map(), apiServer }));
  }

  /** Everybody, as of now. Identities that are no longer used give their numbers back. */
  update(cluster: PolicyCluster, interests: Interests): Population {
    this.#update += 1;
    this.#updatePods(cluster, interests);
    this.#nodes = this.#replace(this.#nodes, this.#nodesOf(cluster, interests), claims.node);
    this.#known = this.#replace(this.#known, this.#knownOutside(cluster, interests), claims.known);
    if (interests.ranges.version !== this.#rangeVersion) this.#updateRanges(interests);
    const { added, removed } = this.#census.changes();
    for (const record of removed) this.#allocator.free(record);
    return { added, removed, ipcache: this.#book.list(), endpoints: this.#endpoints };
  }

  #updatePods(cluster: PolicyCluster, interests: Interests): void {
    const namespaces = new Map(cluster.namespaces.map((namespace) => [namespace.name, namespace]));
    const version = interests.podVersion;
    const { labels } = interests;
    const endpoints: CompiledEndpoint[] = [];
    for (const pod of cluster.pods) {
      if (pod.hostNetwork) continue;
      const namespace = namespaces.get(pod.namespace);
      let known = this.#pods.get(pod);
      if (known === undefined || known.namespace !== namespace || known.version !== version) {
        const next = this.#podOf(pod, namespace, labels, interests);
        if (known !== undefined) this.#drop(known);
        for (const entry of next.entries) this.#book.claim(entry, claims.pod);
        const { records, entries, endpoint } = next;
        known = { records, entries, endpoint, namespace, version, seen: 0 };
        this.#pods.set(pod, known);
      }
      if (known.seen === this.#update) continue;
      known.seen = this.#update;
      endpoints.push(known.endpoint);
    }
    if (this.#pods.size > endpoints.length) {
      for (const [pod, known] of this.#pods) {
        if (known.seen === this.#update) continue;
        this.#drop(known);
        this.#pods.delete(pod);
      }
    }
    const before = this.#endpoints;
    const same = before.length === endpoints.length && endpoints.every((endpoint, index) => endpoint === before[index]);
    if (!same) this.#endpoints = endpoints;
  }

  #podOf(pod: PolicyPod, namespace: PolicyNamespace | undefined, named: ReadonlySet<string>, interests: Interests) {
    const labels = podLabels(pod, namespace, named);
    const ports = pod.namedPorts.filter(({ name }) => interests.ports.has(name));
    const records: IdentityRecord[] = [];
    const entries: IpcacheEntry[] = [];
    // nearly always all addresses lie in the same blocks, and so have one identity
    const made = new Map<string, IdentityRecord>();
    const recordIn = (blocks: readonly string[], at?: string): IdentityRecord => {
      const key = blocks.join(' ');
      const known = made.get(key);
      if (known !== undefined) return known;
      const record = this.#census.hold(this.#allocator.pods(labels, ports, blocks, at));
      made.set(key, record);
      records.push(record);
      return record;
    };
    for (const address of pod.addresses) {
      const range = parseCidrOrIp(address);
      if (range === null) continue;
      const prefix = formatCidr(range);
      entries.push({ prefix, identity: recordIn(interests.blocksOf(range), prefix).identity.id });
    }
    const first = records[0] ?? recordIn([]);
    const endpoint = { namespace: pod.namespace, name: pod.name, identity: first.identity.id };
    // arrays that grew have room that nobody uses
    return { records: records.slice(), entries: entries.slice(), endpoint };
  }

  #nodesOf(cluster: PolicyCluster, interests: Interests): Holding {
    const apiServer = apiServerAddresses(cluster.services);
    const nodes = [...cluster.nodes, ...nodesOfPods(cluster.pods)];
    const labelsOf = (node: PolicyNode): LabelSet =>
      new Map(interests.nodes ? Object.entries(node.labels).map(([key, value]) => [`node:${key}`, value]) : []);
    const own = nodes.filter(({ local }) => local);
    const ranges = rangesOf(own.flatMap(({ addresses }) => addresses));
    const host = this.#census.hold(
      this.#allocator.host(
        new Map(own.flatMap((node) => [...labelsOf(node)])),
        // The host is one identity: a range that holds one of its addresses holds it.
        [...new Set(ranges.flatMap((range) => interests.blocksOf(range)))],
        own.some(({ addresses }) => addresses.some((address) => apiServer.has(address))),
      ),
    );
    const records = [host];
    const entries = new Map<string, IpcacheEntry>();
    const add = (range: Cidr, { identity }: IdentityRecord) => {
      const prefix = formatCidr(range);
      if (!entries.has(prefix)) entries.set(prefix, { prefix, identity: identity.id });
    };
    for (const range of [...ranges, ...rangesOf(probeAddresses)]) add(range, host);
    for (const node of nodes) {
      if (node.local) continue;
      const labels = labelsOf(node);
      for (const address of node.addresses) {
        for (const range of rangesOf([address])) {
          const record = this.#census.hold(
            this.#allocator.remoteNode(labels, interests.blocksOf(range), apiServer.has(address), formatCidr(range)),
          );
          records.push(record);
          add(range, record);
        }
      }
    }
    return { records, entries: [...entries.values()] };
  }

  /** Addresses outside that are known by more than a range. */
  #knownOutside(cluster: PolicyCluster, interests: Interests): Holding {
    const records: IdentityRecord[] = [];
    const entries: IpcacheEntry[] = [];
    for (const [text, outside] of outsiders(cluster, interests)) {
      for (const range of rangesOf([text])) {
        const prefix = formatCidr(range);
        // Addresses of pods and nodes stay theirs.
        if (this.#book.isInside(prefix)) continue;
        const record = this.#census.hold(this.#allocator.outside(outside, prefix));
        records.push(record);
        entries.push({ prefix, identity: record.identity.id });
      }
    }
    return { records, entries };
  }

  #updateRanges(interests: Interests): void {
    this.#rangeVersion = interests.ranges.version;
    const live = new Set(interests.ranges.values());
    for (const [range, known] of this.#ranges) {
      if (live.has(range)) continue;
      this.#drop(known);
      this.#ranges.delete(range);
    }
    for (const range of live) {
      if (this.#ranges.has(range)) continue;
      const prefix = formatCidr(range);
      const record = this.#census.hold(this.#allocator.outside({ range, fqdns: new Map(), apiServer: false }, prefix));
      const entry = { prefix, identity: record.identity.id };
      this.#book.claim(entry, claims.range);
      this.#ranges.set(range, { records: [record], entries: [entry] });
    }
  }

  /** Puts one holding in the place of another; entries that are in both stay, so that the list of addresses need not be made anew. */
  #replace(before: Holding, now: Holding, order: number): Holding {
    const old = new Map(before.entries.map((entry) => [entry.prefix, entry]));
    const entries = now.entries.map((entry) => {
      const same = old.get(entry.prefix);
      if (same?.identity === entry.identity) {
        old.delete(entry.prefix);
        return same;
      }
      this.#book.claim(entry, order);
      return entry;
    });
    for (const entry of old.values()) this.#book.release(entry);
    for (const record of before.records) this.#census.drop(record);
    return { records: now.records, entries };
  }

  #drop({ records, entries }: Holding): void {
    for (const record of records) this.#census.drop(record);
    for (const entry of entries) this.#book.release(entry);
  }
}

/** Pods on the host network tell of nodes' addresses, also where nobody lists the nodes. */
function nodesOfPods(pods: readonly PolicyPod[]): PolicyNode[] {
  return pods.filter(({ hostNetwork }) => hostNetwork).map(({ name, addresses, local }) => ({ name, labels: {}, addresses, local }));
}

function rangesOf(addresses: readonly string[]): Cidr[] {
  return addresses.flatMap((address) => parseCidrOrIp(address) ?? []);
}
