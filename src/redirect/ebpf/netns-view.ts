import type { InterfaceAddress } from '../../kernel/index.ts';
import { netnsAddresses, netnsInterfaces, netnsRoutes } from '../../kernel/index.ts';
import type { IpAddress } from '../../pods/address.ts';
import { formatCidr, formatIp } from '../../pods/address.ts';
import type { Cidr } from '../../pods/types.ts';

/** What a network namespace is made of, as far as redirection depends on it. */
export interface NetnsView {
  /** What the pod is known by, primary first: of its interfaces, without loopback's and link-local ones. */
  readonly addresses: readonly IpAddress[];
  /** Everything that is local, loopback and link-local included. */
  readonly localAddresses: readonly IpAddress[];
  /** Indices by name. */
  readonly interfaces: ReadonlyMap<string, number>;
  /** The unicast routes of the main table. */
  readonly routes: readonly { readonly cidr: Cidr; readonly interfaceIndex: number }[];
}

/** Reads a network namespace: about half a millisecond. Throws SysError. */
export function viewNetns(netns: { readonly fd: number }): NetnsView {
  const routes = netnsRoutes(netns).map(({ family, destination, prefix, interfaceIndex }) => ({
    cidr: { family, address: destination, prefix },
    interfaceIndex,
  }));
  return { ...sortAddresses(netnsAddresses(netns)), interfaces: netnsInterfaces(netns), routes };
}

/** Pure. Keeps the kernel's order, in which an interface's primary address comes first. */
export function sortAddresses(found: readonly InterfaceAddress[]): Pick<NetnsView, 'addresses' | 'localAddresses'> {
  const all = found.map(({ interfaceName, address }) => ({
    interfaceName,
    ip: { family: address.length === 4 ? 4 : 6, bytes: address } as const,
  }));
  return {
    addresses: all.filter(({ interfaceName, ip }) => interfaceName !== 'lo' && !isLinkLocal(ip)).map(({ ip }) => ip),
    localAddresses: all.map(({ ip }) => ip),
  };
}

/** Whether two looks at a namespace saw the same. */
export function sameView(one: NetnsView, other: NetnsView): boolean {
  return fingerprint(one) === fingerprint(other);
}

function fingerprint({ addresses, localAddresses, interfaces, routes }: NetnsView): string {
  const parts = [
    addresses.map(formatIp),
    localAddresses.map(formatIp),
    [...interfaces],
    routes.map(({ cidr, interfaceIndex }) => [formatCidr(cidr), interfaceIndex]),
  ];
  return JSON.stringify(parts);
}

/** fe80::/10 or 169.254.0.0/16 */
function isLinkLocal({ family, bytes }: IpAddress): boolean {
  if (family === 4) return bytes[0] === 169 && bytes[1] === 254;
  return bytes[0] === 0xfe && ((bytes[1] ?? 0) & 0xc0) === 0x80;
}
