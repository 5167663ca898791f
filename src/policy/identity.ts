import { formatCidr } from '../pods/address.ts';
import type { Cidr } from '../pods/types.ts';
import { NumberAllocator } from './allocator.ts';
import type { LabelSet } from './labels.ts';
import { cidrLabel, formatLabels } from './labels.ts';
import type { Identity } from './types.ts';

/** Numbers that are never allocated (contract 1.1). */
export const reservedIds = {
  host: 1,
  world: 2,
  unmanaged: 3,
  health: 4,
  init: 5,
  'remote-node': 6,
  'kube-apiserver': 7,
  ingress: 8,
  'world-ipv4': 9,
  'world-ipv6': 10,
} as const;

export interface NamedPort {
  readonly name: string;
  readonly protocol: number;
  readonly port: number;
}

/** An identity, and all that decides which peers mean it. Two addresses have the same one where all of this is equal. */
export interface IdentityRecord {
  /** Equal for equal identities; the allocator's key. */
  readonly key: string;
  readonly identity: Identity;
  readonly labels: LabelSet;
  /** Outside the cluster: the narrowest range that a policy names and that holds it. */
  readonly range: Cidr | null;
  /** Inside: the ranges of NetworkPolicy and ClusterNetworkPolicy that hold it, by blockKey. */
  readonly blocks: ReadonlySet<string>;
  /** Outside: the toFQDNs selectors whose names have the address, by entry key. */
  readonly fqdns: ReadonlySet<string>;
  /** Of pods: the named ports that some policy names. */
  readonly namedPorts: readonly NamedPort[];
}

/** What an address outside the cluster is known by. */
export interface Outside {
  readonly range: Cidr | null;
  /** Keys of toFQDNs selectors, and the text that Hubble shows for them. */
  readonly fqdns: ReadonlyMap<string, string>;
  readonly apiServer: boolean;
}

const none: ReadonlySet<string> = new Set();
/** Between the parts of a key: no label, name of a port or range holds it. */
const separator = '\0';

/** What an earlier process left: which number each range of addresses has, by canonical text. */
export type EarlierNumbers = ReadonlyMap<string, number>;

/**
 * Makes identities and numbers them. It lives as long as the compiler, so that numbers are stable. `at` is an address of whoever is meant: with it goes the
 * number that an earlier process gave, and no number of that one's gets another meaning.
 */
export class IdentityAllocator {
  readonly #pods: NumberAllocator;
  readonly #ranges: NumberAllocator;
  readonly #nodes: NumberAllocator;
  #earlier: EarlierNumbers | null;

  constructor(earlier: EarlierNumbers = new Map()) {
    this.#earlier = earlier;
    this.#pods = new NumberAllocator(256, 65535, 'an identity of pods', below(earlier, 65536));
    this.#ranges = new NumberAllocator(2 ** 24, 2 ** 25 - 1, 'a range of addresses', below(earlier, 2 ** 25));
    this.#nodes = new NumberAllocator(2 ** 25, 2 ** 25 + 65535, 'an identity of nodes', earlier.values());
  }

  /** What an earlier process left has been taken over: addresses may have other identities from now on. */
  forgetEarlier(): void {
    this.#earlier = null;
  }

  pods(labels: LabelSet, namedPorts: readonly NamedPort[], blocks: readonly string[], at?: string): IdentityRecord {
    const text = formatLabels(labels);
    const ports = namedPorts.map(({ name, protocol, port }) => `${name}/${protocol}/${port}`).sort();
    const key = `pods ${[...text, '', ...ports, '', ...[...blocks].sort()].join(separator)}`;
    return {
      key,
      identity: { id: this.#pods.numberOf(key, this.#wished(at)), labels: text, kind: 'pods' },
      labels,
      range: null,
      blocks: blocks.length === 0 ? none : new Set(blocks),
      fqdns: none,
      namedPorts,
    };
  }

  outside({ range, fqdns, apiServer }: Outside, at?: string): IdentityRecord {
    const rangeText = range === null ? '' : formatCidr(range);
    const names = [...fqdns.keys()].sort();
    const labels = new Map<string, string>([['reserved:world', '']]);
    if (apiServer) labels.set('reserved:kube-apiserver', '');
    for (const name of fqdns.values()) labels.set(`fqdn:${name}`, '');
    const whole = range !== null && range.prefix === 0;
    if (whole) labels.set(range.family === 4 ? 'reserved:world-ipv4' : 'reserved:world-ipv6', '');
    else if (range !== null) labels.set(cidrLabel(rangeText), '');
    const key = `outside ${rangeText} ${apiServer ? 'api' : ''} ${names.join(' ')}`;
    return {
      key,
      identity: {
        id: this.#outsideId(key, range, names.length > 0, apiServer, at),
        labels: formatLabels(labels),
        kind: range === null ? 'reserved' : 'range',
      },
      labels,
      range,
      blocks: none,
      fqdns: new Set(names),
      namedPorts: [],
    };
  }

  #outsideId(key: string, range: Cidr | null, named: boolean, apiServer: boolean, at: string | undefined): number {
    if (named) return this.#ranges.numberOf(key, this.#wished(at));
    if (range === null) return apiServer ? reservedIds['kube-apiserver'] : reservedIds.world;
    if (range.prefix > 0 || apiServer) return this.#ranges.numberOf(key, this.#wished(at));
    return range.family === 4 ? reservedIds['world-ipv4'] : reservedIds['world-ipv6'];
  }

  /** The node that policy is compiled for. Its number is always 1; the key tells its versions apart. */
  host(nodeLabels: LabelSet, blocks: readonly string[], apiServer: boolean): IdentityRecord {
    return this.#node('host', nodeLabels, blocks, apiServer);
  }

  remoteNode(nodeLabels: LabelSet, blocks: readonly string[], apiServer: boolean, at?: string): IdentityRecord {
    return this.#node('remote-node', nodeLabels, blocks, apiServer, at);
  }

  #node(name: 'host' | 'remote-node', nodeLabels: LabelSet, blocks: readonly string[], apiServer: boolean, at?: string): IdentityRecord {
    const labels = new Map([[`reserved:${name}`, ''], ...nodeLabels]);
    if (apiServer) labels.set('reserved:kube-apiserver', '');
    const text = formatLabels(labels);
    const key = `${name} ${[...text, '', ...[...blocks].sort()].join(separator)}`;
    const plain = nodeLabels.size === 0 && blocks.length === 0 && !apiServer;
    const id = name === 'host' || plain ? reservedIds[name] : this.#nodes.numberOf(key, this.#wished(at));
    return {
      key,
      identity: { id, labels: text, kind: id < 256 ? 'reserved' : 'node' },
      labels,
      range: null,
      blocks: blocks.length === 0 ? none : new Set(blocks),
      fqdns: none,
      namedPorts: [],
    };
  }

  /** Identities without addresses of their own here, so that rules can name them. */
  reserved(name: 'unmanaged' | 'health' | 'init' | 'ingress'): IdentityRecord {
    const labels = new Map([[`reserved:${name}`, '']]);
    return {
      key: `reserved ${name}`,
      identity: { id: reservedIds[name], labels: formatLabels(labels), kind: 'reserved' },
      labels,
      range: null,
      blocks: none,
      fqdns: none,
      namedPorts: [],
    };
  }

  #wished(at: string | undefined): number | undefined {
    return at === undefined ? undefined : this.#earlier?.get(at);
  }

  /** The identity is used no more: its number may come back, much later, for another. */
  free({ key }: IdentityRecord): void {
    this.#pods.free(key);
    this.#ranges.free(key);
    this.#nodes.free(key);
  }
}

function* below(earlier: EarlierNumbers, limit: number): Iterable<number> {
  for (const number of earlier.values()) if (number < limit) yield number;
}
