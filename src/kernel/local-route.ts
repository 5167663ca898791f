import { check, closeFd, libc } from './libc.ts';
import { inNetns } from './netns.ts';
import { SysError } from './sys-error.ts';

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const NETLINK_ROUTE = 0;
const RTM_NEWROUTE = 24;
const NLMSG_ERROR = 2;
/** NLM_F_REQUEST | NLM_F_ACK | NLM_F_REPLACE | NLM_F_CREATE */
const flags = 0x1 | 0x4 | 0x100 | 0x400;
const AF_INET6 = 10;
const RT_TABLE_LOCAL = 255;
const RTPROT_BOOT = 3;
const RTN_LOCAL = 2;
const RTA_DST = 1;
const RTA_OIF = 4;
/** lo is the first interface of every network namespace. */
const loopbackIndex = 1;
const headerBytes = 16;

/**
 * Makes an IPv6 prefix local to a network namespace, through lo, as `ip -6 route replace local PREFIX dev lo table local` does. One that is
 * there stays. `address` has 16 bytes, host bits cleared. The kernel answers at once.
 * @throws SysError EACCES or EOPNOTSUPP where IPv6 is off, ENETDOWN where lo is down
 */
export function ensureLocalRoute(netns: number | string | { readonly fd: number }, address: Uint8Array, prefix: number): void {
  const request = Buffer.alloc(headerBytes + 12 + 20 + 8);
  request.writeUInt32LE(request.length, 0);
  request.writeUInt16LE(RTM_NEWROUTE, 4);
  request.writeUInt16LE(flags, 6);
  // struct rtmsg
  request.set([AF_INET6, prefix, 0, 0, RT_TABLE_LOCAL, RTPROT_BOOT, 0, RTN_LOCAL], headerBytes);
  request.writeUInt16LE(20, 28);
  request.writeUInt16LE(RTA_DST, 30);
  request.set(address, 32);
  request.writeUInt16LE(8, 48);
  request.writeUInt16LE(RTA_OIF, 50);
  request.writeUInt32LE(loopbackIndex, 52);
  const fd = inNetns(netns, () => check(libc().socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), 'socket(netlink)'));
  try {
    check(libc().send(fd, request, request.length, 0), 'send(netlink)');
    const answer = Buffer.alloc(1024);
    check(libc().recv(fd, answer, answer.length, 0), 'recv(netlink)');
    const errno = answer.readUInt16LE(4) === NLMSG_ERROR ? -answer.readInt32LE(headerBytes) : 0;
    if (errno !== 0) throw new SysError('netlink(new route)', errno);
  } finally {
    closeFd(fd);
  }
}
