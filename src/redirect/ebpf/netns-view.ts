import type { InterfaceAddress, Route } from '../../kernel/index.ts';
import { netnsAddresses, netnsForwards, netnsInterfaces, netnsRoutes } from '../../kernel/index.ts';
import type { IpAddress } from '../../pods/address.ts';
import { cidrContains, cidrOf, formatCidr, formatIp } from '../../pods/address.ts';
import type { Cidr } from '../../pods/types.ts';

/** What a network namespace is made of, as far as redirection depends on it. */
export interface NetnsView {
  /** What the pod is known by, primary first: of its interfaces, without loopback's and link-local ones. */
  readonly addresses: readonly IpAddress[];
  /** Everything that is local, loopback and link-local included. */
  readonly localAddresses: readonly IpAddress[];
  /** IPv4 addresses that are not the first of their network on an interface, and that first one, which the kernel speaks from to them. */
  readonly secondaries: readonly { readonly address: IpAddress; readonly primary: IpAddress }[];
  /** Indices by name. */
  readonly interfaces: ReadonlyMap<string, number>;
  /** The unicast routes of the main table. */
  readonly routes: readonly RouteView[];
  /** The first address of each family of every interface but lo, without link-local ones. */
  readonly interfaceAddresses: readonly InterfaceView[];
  /** Whether packets of others are forwarded through it. */
  readonly forwarding: boolean;
}

export interface InterfaceView {
  readonly index: number;
  readonly ipv4: IpAddress | null;
  readonly ipv6: IpAddress | null;
}

export interface RouteView {
  readonly cidr: Cidr;
  readonly interfaceIndex: number;
  /** The address that is spoken from on this route; null where the interface has none of the family. */
  readonly source: IpAddress | null;
}

/** Reads a network namespace: about half a millisecond. Throws SysError. */
export function viewNetns(netns: { readonly fd: number }): NetnsView {
  const addresses = netnsAddresses(netns);
  const routes = netnsRoutes(netns).map((route) => ({
    cidr: { family: route.family, address: route.destination, prefix: route.prefix },
    interfaceIndex: route.interfaceIndex,
    source: sourceOf(route, addresses),
  }));
  const interfaces = netnsInterfaces(netns);
  return {
    ...sortAddresses(addresses),
    interfaces,
    routes,
    interfaceAddresses: firstAddresses(interfaces, addresses),
    forwarding: netnsForwards(netns),
  };
}

/**
 * The source address that the kernel takes for a route: the one it names, else the interface's in the network of the gateway or of the
 * destination, else its first. Pure. (inet_select_addr; for IPv6 the rules of RFC 6724 come to the same where an interface has one address a network.)
 */
export function sourceOf(route: Route, addresses: readonly InterfaceAddress[]): IpAddress | null {
  const { family } = route;
  if (route.source !== null) return { family, bytes: route.source };
  const own = addresses
    .filter(({ interfaceIndex, address }) => interfaceIndex === route.interfaceIndex && address.length === (family === 4 ? 4 : 16))
    .map(({ address, prefix }) => ({ ip: { family, bytes: address }, network: cidrOf({ family, bytes: address }, prefix) }))
    .filter(({ ip }) => !isLinkLocal(ip));
  const target = { family, bytes: route.gateway ?? route.destination };
  return (own.find(({ network }) => cidrContains(network, target)) ?? own[0])?.ip ?? null;
}

/** Pure. Keeps the kernel's order, in which an interface's primary address comes first. */
export function sortAddresses(found: readonly InterfaceAddress[]): Pick<NetnsView, 'addresses' | 'localAddresses' | 'secondaries'> {
  const all = found.map(({ interfaceName, address }) => ({
    interfaceName,
    ip: { family: address.length === 4 ? 4 : 6, bytes: address } as const,
  }));
  return {
    addresses: all.filter(({ interfaceName, ip }) => interfaceName !== 'lo' && !isLinkLocal(ip)).map(({ ip }) => ip),
    localAddresses: all.map(({ ip }) => ip),
    secondaries: secondariesOf(found),
  };
}

function secondariesOf(found: readonly InterfaceAddress[]): NetnsView['secondaries'] {
  const ipv4 = found.filter(({ address, interfaceName }) => address.length === 4 && interfaceName !== 'lo');
  const network = ({ interfaceIndex, address, prefix }: InterfaceAddress): string =>
    `${interfaceIndex} ${formatCidr(cidrOf({ family: 4, bytes: address }, prefix))}`;
  return ipv4.flatMap((one, index) => {
    const primary = ipv4.slice(0, index).find((other) => network(other) === network(one));
    if (primary === undefined) return [];
    return [{ address: { family: 4 as const, bytes: one.address }, primary: { family: 4 as const, bytes: primary.address } }];
  });
}

/** Pure. See NetnsView.interfaceAddresses. */
export function firstAddresses(interfaces: ReadonlyMap<string, number>, addresses: readonly InterfaceAddress[]): readonly InterfaceView[] {
  const first = (index: number, family: 4 | 6): IpAddress | null =>
    addresses
      .filter(({ interfaceIndex, address }) => interfaceIndex === index && address.length === (family === 4 ? 4 : 16))
      .map(({ address }): IpAddress => ({ family, bytes: address }))
      .find((ip) => !isLinkLocal(ip)) ?? null;
  return [...interfaces].filter(([name]) => name !== 'lo').map(([, index]) => ({ index, ipv4: first(index, 4), ipv6: first(index, 6) }));
}

/** Whether two looks at a namespace saw the same. */
export function sameView(one: NetnsView, other: NetnsView): boolean {
  return fingerprint(one) === fingerprint(other);
}

function fingerprint({ addresses, localAddresses, interfaces, routes, forwarding }: NetnsView): string {
  const parts = [
    addresses.map(formatIp),
    localAddresses.map(formatIp),
    [...interfaces],
    forwarding,
    routes.map(({ cidr, interfaceIndex, source }) => [formatCidr(cidr), interfaceIndex, source === null ? null : formatIp(source)]),
  ];
  return JSON.stringify(parts);
}

/** fe80::/10 or 169.254.0.0/16 */
function isLinkLocal({ family, bytes }: IpAddress): boolean {
  if (family === 4) return bytes[0] === 169 && bytes[1] === 254;
  return bytes[0] === 0xfe && ((bytes[1] ?? 0) & 0xc0) === 0x80;
}
