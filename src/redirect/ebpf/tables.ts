import type { Group, GroupKey, Interface, InterfaceKey, Pod, PodAddress, Port, PortKey, Range, RangeKey } from '../../abi/gen/index.ts';
import { PodFlags, PortFlags, Size } from '../../abi/gen/index.ts';
import { UserError } from '../../base/errors.ts';
import type { IpAddress } from '../../pods/address.ts';
import { mapIp } from '../../pods/address.ts';
import { translateIds } from '../../pods/ids.ts';
import type { Backend, Cidr, RedirectConfig } from '../../pods/types.ts';
import type { NetnsView } from './netns-view.ts';
import { compileRanges, includesLoopback } from './ranges.ts';

/** Every table row that the programs need of one pod. */
export interface PodTables {
  readonly cookie: bigint;
  readonly pod: Pod;
  readonly ranges: readonly (readonly [RangeKey, Range])[];
  readonly ports: readonly (readonly [PortKey, Port])[];
  readonly groups: readonly (readonly [GroupKey, Group])[];
  /** The interfaces whose forwarded connections are captured. */
  readonly interfaces: readonly (readonly [InterfaceKey, Interface])[];
  /** Where the other pods of the node find it. */
  readonly addresses: readonly (readonly [PodAddress, bigint])[];
}

/** What is known of a pod when its tables are made. */
export interface PodFacts extends NetnsView {
  readonly name: string;
  readonly cookie: bigint;
  readonly backend: Backend;
  /** false: no redirection, only service translation. */
  readonly meshed: boolean;
  /** The text of /proc/PID/uid_map where the pod has a user namespace; ids of `config` are then ids in there. */
  readonly uidMap: string | null;
  /** The pod routes fd6d:696c:6c72:6163::/64 to itself. */
  readonly spread6: boolean;
}

const noAddress = new Uint8Array(16);

/** A pod's configuration as table rows. Pure: the same facts and configuration give the same rows. Throws UserError ANNOTATION_INVALID. */
export function compileTables(facts: PodFacts, config: RedirectConfig): PodTables {
  const redirected = facts.meshed && config.interceptionMode !== 'NONE';
  const uids = redirected ? owners(facts, 'proxy uids', config.proxyUids) : [];
  const gids = redirected ? owners(facts, 'proxy gids', config.proxyGids) : [];
  return {
    cookie: facts.cookie,
    pod: {
      flags: (redirected ? flagsOf(facts, config) : PodFlags.TRANSLATE) | accelerationFlags(redirected, config),
      uidCount: uids.length,
      gidCount: gids.length,
      uids: padded(uids),
      gids: padded(gids),
      outboundPort: config.outboundPort,
      inboundPort: config.inboundPort,
      tunnelPort: config.tunnelPort,
      dnsPort: config.dns.kind === 'off' ? 0 : config.dns.port,
      addr4: primary(facts.addresses, 4),
      addr6: primary(facts.addresses, 6),
      excludedInterfaces: interfaceIndices(facts, redirected ? config.excludeInterfaces : []),
      reroutedInterfaces: interfaceIndices(facts, redirected ? config.rerouteInterfaces : []),
    },
    ranges: compileRanges(redirected ? config : nothing(config), facts).map(({ cidr, flags, source }) => [
      rangeKey(facts.cookie, cidr),
      { flags, source: source === null ? noAddress : mapIp(source) },
    ]),
    ports: redirected ? compilePorts(facts.cookie, config) : [],
    groups: redirected ? compileGroups(facts, config) : [],
    interfaces: redirected && facts.backend !== 'iptables' ? compileInterfaces(facts, config) : [],
    addresses: facts.addresses.map((address) => [{ addr: mapIp(address) }, facts.cookie]),
  };
}

function flagsOf(facts: PodFacts, config: RedirectConfig): number {
  let flags: number = PodFlags.TRANSLATE;
  if (facts.backend !== 'iptables') flags |= PodFlags.OUTBOUND;
  if (facts.backend === 'sk_lookup') flags |= PodFlags.INBOUND_LOOKUP;
  if (facts.backend === 'bind') flags |= PodFlags.INBOUND_BIND;
  if (config.outboundRanges.kind === 'all') flags |= PodFlags.OUTBOUND_ALL;
  if (config.inboundPorts.kind === 'all') flags |= PodFlags.INBOUND_ALL;
  if (config.ipv6) flags |= PodFlags.IPV6;
  if (includesLoopback(config)) flags |= PodFlags.LOOPBACK_INCLUDED;
  if (facts.spread6) flags |= PodFlags.SPREAD6;
  // to no server at all is off, as Istio has it
  if (config.dns.kind === 'all' || (config.dns.kind === 'servers' && config.dns.servers.length > 0)) flags |= PodFlags.DNS;
  if (config.dns.kind === 'all') flags |= PodFlags.DNS_ALL;
  if (config.ownerGroups.kind === 'only') flags |= PodFlags.GROUPS | PodFlags.GROUPS_ONLY;
  if (config.ownerGroups.kind === 'all' && config.ownerGroups.except.length > 0) flags |= PodFlags.GROUPS;
  if (config.interceptionMode === 'TPROXY') flags |= PodFlags.TPROXY;
  return flags;
}

/** A pod without a proxy has applications' sockets alone. */
function accelerationFlags(redirected: boolean, { acceleration, direct }: RedirectConfig): number {
  const proxy = redirected && acceleration !== 'none' ? PodFlags.ACCELERATE : 0;
  return proxy | (acceleration === 'all' ? PodFlags.ACCELERATE_APPS : 0) | (direct ? PodFlags.DIRECT : 0);
}

/** An unmeshed pod has no lists, only its own addresses. */
function nothing(config: RedirectConfig): RedirectConfig {
  return { ...config, outboundRanges: { kind: 'all' }, outboundRangesExcluded: [], excludeInterfaces: [], dns: { kind: 'off' } };
}

/** Ids of the pod as kernel ids. An id that its user namespace does not map belongs to nobody, so it is left out. */
function owners(facts: PodFacts, what: string, ids: readonly number[]): readonly number[] {
  if (ids.length > Size.OWNERS) {
    throw new UserError(
      'ANNOTATION_INVALID',
      `Cannot enrol ${facts.name} because it has too many ${what}: ${ids.length}, at most ${Size.OWNERS}`,
      {
        cure: 'Name fewer ids.',
      },
    );
  }
  return translateIds(facts.uidMap, ids);
}

function padded(ids: readonly number[]): number[] {
  return Array.from({ length: Size.OWNERS }, (_, index) => ids[index] ?? 0);
}

function primary(addresses: readonly IpAddress[], family: 4 | 6): Uint8Array {
  const first = addresses.find((address) => address.family === family);
  return first === undefined ? noAddress : mapIp(first);
}

/** Names that the pod does not have are passed over, as iptables would: the interface may come later. */
function interfaceIndices(facts: PodFacts, names: readonly string[]): number[] {
  const indices = names.flatMap((name) => facts.interfaces.get(name) ?? []);
  if (indices.length > Size.INTERFACES) {
    throw new UserError(
      'ANNOTATION_INVALID',
      `Cannot enrol ${facts.name} because it names too many interfaces: ${indices.length}, at most ${Size.INTERFACES}`,
      { cure: 'Name fewer interfaces.' },
    );
  }
  return Array.from({ length: Size.INTERFACES }, (_, index) => indices[index] ?? 0);
}

/**
 * Connections that are only forwarded are captured where the annotation names the interface, and everywhere when the namespace forwards at all.
 */
function compileInterfaces(facts: PodFacts, config: RedirectConfig): readonly (readonly [InterfaceKey, Interface])[] {
  const indices = (names: readonly string[]): ReadonlySet<number | undefined> => new Set(names.map((name) => facts.interfaces.get(name)));
  const rerouted = indices(config.rerouteInterfaces);
  const excluded = indices(config.excludeInterfaces);
  return facts.interfaceAddresses
    .filter(({ index }) => rerouted.has(index) || (facts.forwarding && !excluded.has(index)))
    .map(({ index, ipv4, ipv6 }) => [
      { cookie: facts.cookie, index },
      { addr4: ipv4 === null ? noAddress : mapIp(ipv4), addr6: ipv6 === null ? noAddress : mapIp(ipv6) },
    ]);
}

function compileGroups(facts: PodFacts, config: RedirectConfig): readonly (readonly [GroupKey, Group])[] {
  const gids = config.ownerGroups.kind === 'only' ? config.ownerGroups.gids : config.ownerGroups.except;
  return translateIds(facts.uidMap, gids).map((gid) => [{ cookie: facts.cookie, gid }, { listed: 1 }]);
}

/** prefixlen counts family and cookie (96 bits) and, for IPv4, the 96 bits of ::ffff:0:0/96 (bpf/abi/pod.h). */
function rangeKey(cookie: bigint, cidr: Cidr): RangeKey {
  const mapped = cidr.family === 4 ? 96 : 0;
  return { prefixlen: 96 + mapped + cidr.prefix, family: cidr.family, cookie, addr: mapIp({ family: cidr.family, bytes: cidr.address }) };
}

function compilePorts(cookie: bigint, config: RedirectConfig): readonly (readonly [PortKey, Port])[] {
  const flags = new Map<number, number>();
  const add = (ports: readonly number[], flag: number): void => {
    for (const port of ports) flags.set(port, (flags.get(port) ?? 0) | flag);
  };
  add(config.outboundPortsExcluded, PortFlags.OUTBOUND_EXCLUDE);
  add(config.outboundPortsIncluded, PortFlags.OUTBOUND_INCLUDE);
  if (config.inboundPorts.kind === 'all') add(config.inboundPorts.except, PortFlags.INBOUND_EXCLUDE);
  else add(config.inboundPorts.ports, PortFlags.INBOUND_INCLUDE);
  return [...flags].map(([port, value]) => [{ cookie, port }, { flags: value }]);
}
