import { check, closeFd, libc } from './libc.ts';
import { inNetns } from './netns.ts';
import { isSysError, SysError } from './sys-error.ts';

/** A TCP socket that listens, as sock_diag(7) tells it. */
export interface ListeningEntry {
  /** That of the socket: 6 also where it serves IPv4. */
  readonly family: 4 | 6;
  /** 4 or 16 bytes in network order; all zero for the wildcard. */
  readonly address: Uint8Array;
  readonly port: number;
  readonly inode: number;
}

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const NETLINK_SOCK_DIAG = 4;
const SOCK_DIAG_BY_FAMILY = 20;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const NLM_F_REQUEST_DUMP = 0x301;
const IPPROTO_TCP = 6;
const TCP_LISTEN = 10;
const headerBytes = 16;
/** struct inet_diag_req_v2 and struct inet_diag_msg of linux/inet_diag.h. */
const requestBytes = 56;
const families = [
  [4, 2],
  [6, 10],
] as const;

/**
 * The TCP sockets that listen in a network namespace: 0.1 ms, where /proc/net/tcp walks every connection of the machine. Null when this kernel
 * cannot be asked (no CONFIG_INET_DIAG).
 * @throws SysError
 */
export function listeningSockets(netns: { readonly fd: number }): readonly ListeningEntry[] | null {
  const fd = inNetns(netns, () =>
    check(libc().socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_SOCK_DIAG), 'socket(sock_diag)'),
  );
  try {
    return families.flatMap(([family, number]) => dump(fd, family, number));
  } catch (error) {
    if (isSysError(error, 'ENOENT', 'EOPNOTSUPP', 'EINVAL')) return null;
    throw error;
  } finally {
    closeFd(fd);
  }
}

function dump(fd: number, family: 4 | 6, number: number): ListeningEntry[] {
  const request = Buffer.alloc(headerBytes + requestBytes);
  request.writeUInt32LE(request.length, 0);
  request.writeUInt16LE(SOCK_DIAG_BY_FAMILY, 4);
  request.writeUInt16LE(NLM_F_REQUEST_DUMP, 6);
  request.writeUInt32LE(number, 8);
  request.writeUInt8(number, headerBytes);
  request.writeUInt8(IPPROTO_TCP, headerBytes + 1);
  request.writeUInt32LE(1 << TCP_LISTEN, headerBytes + 4);
  check(libc().send(fd, request, request.length, 0), 'send(sock_diag)');
  const found: ListeningEntry[] = [];
  const datagram = Buffer.alloc(64 * 1024);
  for (;;) {
    const length = check(libc().recv(fd, datagram, datagram.length, 0), 'recv(sock_diag)');
    for (let at = 0; at + headerBytes <= length; at += (datagram.readUInt32LE(at) + 3) & ~3) {
      const type = datagram.readUInt16LE(at + 4);
      if (type === NLMSG_DONE) return found;
      if (type === NLMSG_ERROR) throw new SysError('netlink(sock_diag)', -datagram.readInt32LE(at + headerBytes));
      found.push(readEntry(datagram.subarray(at + headerBytes), family));
    }
  }
}

function readEntry(message: Buffer, family: 4 | 6): ListeningEntry {
  return {
    family,
    port: message.readUInt16BE(4),
    address: Uint8Array.from(message.subarray(8, family === 4 ? 12 : 24)),
    inode: message.readUInt32LE(68),
  };
}
