import { check, closeFd, libc } from './libc.ts';
import { inNetns } from './netns.ts';
import type { FdPoller } from './poller.ts';
import type { DumpKind, InterfaceLink, NetlinkMessage } from './rtnetlink.ts';
import { dumpRequest, netnsIdRequest, readNetlink } from './rtnetlink.ts';
import { isSysError, SysError } from './sys-error.ts';

/** An address of an interface. */
export interface InterfaceAddress {
  readonly interfaceIndex: number;
  readonly interfaceName: string;
  /** 4 or 16 bytes in network order. */
  readonly address: Uint8Array;
  readonly prefix: number;
}

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const NETLINK_ROUTE = 0;
/** RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_IFADDR | RTMGRP_IPV6_ROUTE */
const changeGroups = 0x1 | 0x10 | 0x40 | 0x100 | 0x400;
const receiveBytes = 64 * 1024;
const attempts = 5;

type Target = number | string | { readonly fd: number };

/**
 * Every address of every interface of a network namespace, loopback included, in the kernel's order (primary before secondary). The kernel
 * answers at once: about 0.2 ms for a pod.
 * @throws SysError; EINTR when the list changed five times while being read
 */
export function netnsAddresses(netns: Target): InterfaceAddress[] {
  const fd = netlinkSocket(netns, 0);
  try {
    const names = new Map<number, string>();
    for (const message of dump(fd, 'interfaces')) if (message.kind === 'interface') names.set(message.index, message.name);
    return dump(fd, 'addresses').flatMap((message) =>
      message.kind === 'address'
        ? [
            {
              interfaceIndex: message.index,
              interfaceName: names.get(message.index) ?? '',
              address: message.address,
              prefix: message.prefix,
            },
          ]
        : [],
    );
  } finally {
    closeFd(fd);
  }
}

/** A unicast route of the main table. */
export interface Route {
  readonly family: 4 | 6;
  readonly interfaceIndex: number;
  /** 4 or 16 bytes in network order; all zero for a default route. */
  readonly destination: Uint8Array;
  readonly prefix: number;
  readonly gateway: Uint8Array | null;
  /** The source that the route names (`src`), if it names one. */
  readonly source: Uint8Array | null;
}

/** The unicast routes of a network namespace's main table that leave by one interface. @throws as netnsAddresses */
export function netnsRoutes(netns: Target): Route[] {
  const fd = netlinkSocket(netns, 0);
  try {
    return dump(fd, 'routes').flatMap((message) => {
      if (message.kind !== 'route') return [];
      const { family, index, prefix, gateway, source } = message;
      const destination = new Uint8Array(family === 4 ? 4 : 16);
      destination.set(message.destination);
      return [{ family, interfaceIndex: index, destination, prefix, gateway, source }];
    });
  } finally {
    closeFd(fd);
  }
}

/** The indices of the interfaces of a network namespace, by name. @throws as netnsAddresses */
export function netnsInterfaces(netns: Target): ReadonlyMap<string, number> {
  const fd = netlinkSocket(netns, 0);
  try {
    return new Map(
      dump(fd, 'interfaces').flatMap((message) => (message.kind === 'interface' ? [[message.name, message.index] as const] : [])),
    );
  } finally {
    closeFd(fd);
  }
}

/** An interface that has another end or one below it. */
export interface LinkedInterface extends InterfaceLink {
  readonly ownIndex: number;
  readonly ownName: string;
}

/** The interfaces of a network namespace that hang on another one. @throws as netnsAddresses */
export function netnsLinks(netns: Target): readonly LinkedInterface[] {
  const fd = netlinkSocket(netns, 0);
  try {
    return dump(fd, 'interfaces').flatMap((message) =>
      message.kind === 'interface' && message.link !== undefined
        ? [{ ...message.link, ownIndex: message.index, ownName: message.name }]
        : [],
    );
  } finally {
    closeFd(fd);
  }
}

/** The number that `netns` has for another namespace, as in LinkedInterface; null where it has none. @throws SysError */
export function netnsIdIn(netns: Target, other: { readonly fd: number }): number | null {
  const fd = netlinkSocket(netns, 0);
  try {
    const request = netnsIdRequest(other.fd, 1);
    check(libc().send(fd, request, request.length, 0), 'send(netlink)');
    const datagram = Buffer.alloc(receiveBytes);
    const length = check(libc().recv(fd, datagram, datagram.length, 0), 'recv(netlink)');
    for (const message of readNetlink(datagram.subarray(0, length))) {
      if (message.kind === 'error' && message.errno !== 0) throw new SysError('netlink(netns id)', message.errno);
      if (message.kind === 'netns') return message.id < 0 ? null : message.id;
    }
    return null;
  } finally {
    closeFd(fd);
  }
}

/**
 * Calls `changed` with all addresses whenever an address, interface or route of the namespace comes or goes. Bursts are one call. `netns` must stay
 * open until the returned object is closed.
 */
export function watchAddresses(
  netns: { readonly fd: number },
  poller: FdPoller,
  changed: (addresses: InterfaceAddress[]) => void,
): Disposable & { close(): void } {
  const fd = netlinkSocket(netns, changeGroups);
  let remove: (() => void) | null;
  try {
    remove = poller.add(fd, () => {
      drain(fd);
      changed(netnsAddresses(netns));
    });
  } catch (error) {
    closeFd(fd);
    throw error;
  }
  const close = (): void => {
    if (remove === null) return;
    remove();
    remove = null;
    closeFd(fd);
  };
  return { close, [Symbol.dispose]: close };
}

function netlinkSocket(netns: Target, groups: number): number {
  const fd = inNetns(netns, () =>
    check(libc().socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE), 'socket(netlink)'),
  );
  try {
    const address = Buffer.alloc(12);
    address.writeUInt16LE(AF_NETLINK, 0);
    address.writeUInt32LE(groups, 8);
    check(libc().bind(fd, address, address.length), 'bind(netlink)');
  } catch (error) {
    closeFd(fd);
    throw error;
  }
  return fd;
}

function dump(fd: number, what: DumpKind): NetlinkMessage[] {
  const datagram = Buffer.alloc(receiveBytes);
  for (let attempt = 1; attempt <= attempts; attempt += 1) {
    const request = dumpRequest(what, attempt);
    check(libc().send(fd, request, request.length, 0), 'send(netlink)');
    const messages: NetlinkMessage[] = [];
    while (messages.at(-1)?.kind !== 'done') {
      const length = check(libc().recv(fd, datagram, datagram.length, 0), 'recv(netlink)');
      messages.push(...readNetlink(datagram.subarray(0, length)));
      const failed = messages.find((message) => message.kind === 'error');
      if (failed?.kind === 'error') throw new SysError(`netlink(${what})`, failed.errno);
    }
    if (!messages.some((message) => message.kind === 'interrupted')) return messages;
  }
  const EINTR = 4;
  throw new SysError(`netlink(${what})`, EINTR);
}

/** Throws away what is queued. ENOBUFS says that notices were lost: all the more reason to look again. */
function drain(fd: number): void {
  const datagram = Buffer.alloc(receiveBytes);
  for (;;) {
    try {
      check(libc().recv(fd, datagram, datagram.length, 0), 'recv(netlink)');
    } catch (error) {
      if (isSysError(error, 'EAGAIN')) return;
      if (!isSysError(error, 'ENOBUFS')) throw error;
    }
  }
}
