import { addressOf, keepAlive } from './ffi.ts';
import { check, libc } from './libc.ts';
import type { SocketAddress } from './sockaddr.ts';
import { decodeSockaddr, encodeSockaddr } from './sockaddr.ts';
import { isSysError } from './sys-error.ts';

const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SOCK_DGRAM = 2;
const AF_UNIX = 1;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const SHUT_WR = 1;
const MSG_DONTWAIT = 0x40;
const MSG_CMSG_CLOEXEC = 0x40000000;

/** struct pollfd of poll.h. */
const pollEntrySize = 8;
/** struct msghdr and struct cmsghdr of 64-bit Linux. */
const messageHeaderSize = 56;
const controlHeaderSize = 16;
const controlSpace = 24;

/**
 * Waits until one of the descriptors can be read or written (pollEvents), or has failed, and blocks this thread meanwhile: for exchanges of
 * milliseconds inside one machine. Returns those that are ready; none after `timeoutMs`.
 */
export function waitForSockets(fds: readonly number[], events: number, timeoutMs: number): readonly number[] {
  const entries = Buffer.alloc(fds.length * pollEntrySize);
  for (const [index, fd] of fds.entries()) {
    entries.writeInt32LE(fd, index * pollEntrySize);
    entries.writeInt16LE(events, index * pollEntrySize + 4);
  }
  try {
    check(libc().poll(entries, fds.length, timeoutMs), 'poll');
  } catch (error) {
    // A signal came: the caller looks at its AbortSignal and may ask again.
    if (isSysError(error, 'EINTR')) return [];
    throw error;
  }
  return fds.filter((_, index) => entries.readInt16LE(index * pollEntrySize + 6) !== 0);
}

/** accept(2): a non-blocking, close-on-exec descriptor that the caller owns; null when nobody waits. @throws SysError */
export function acceptSocket(fd: number): number | null {
  return unlessEmpty(() => check(libc().accept4(fd, null, null, SOCK_NONBLOCK | SOCK_CLOEXEC), `accept(${fd})`));
}

/** send(2), or sendto(2) with an address. Returns how many bytes were taken. @throws SysError */
export function sendBytes(fd: number, data: Uint8Array, options: { readonly to?: SocketAddress; readonly flags?: number } = {}): number {
  const address = options.to === undefined ? null : encodeSockaddr(options.to);
  return check(libc().sendto(fd, data, data.length, options.flags ?? 0, address, address?.length ?? 0), `send(${fd})`);
}

/** What came, and from whom; `from` is null for a connected stream. */
export interface Received {
  readonly data: Buffer;
  readonly from: SocketAddress | null;
}

/** recvfrom(2) with room for `room` bytes. null when nothing is there; no bytes at the end of a stream. @throws SysError */
export function receiveBytes(fd: number, room = 2048): Received | null {
  const data = Buffer.alloc(room);
  const address = Buffer.alloc(128);
  const size = Buffer.alloc(4);
  size.writeUInt32LE(address.length);
  const length = unlessEmpty(() => check(libc().recvfrom(fd, data, room, MSG_DONTWAIT, address, size), `recv(${fd})`));
  if (length === null) return null;
  return { data: data.subarray(0, length), from: decodeSockaddr(address.subarray(0, size.readUInt32LE(0))) };
}

/** Ends what this side sends; it goes on receiving. @throws SysError */
export function shutdownWrite(fd: number): void {
  check(libc().shutdown(fd, SHUT_WR), `shutdown(${fd})`);
}

/** A second descriptor of the same open file, made by sending it through a Unix socket (SCM_RIGHTS). The caller owns both. @throws SysError */
export function passDescriptor(fd: number): number {
  const pair = Buffer.alloc(8);
  check(libc().socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair), 'socketpair');
  const [from, to] = [pair.readInt32LE(0), pair.readInt32LE(4)];
  try {
    const control = Buffer.alloc(controlSpace);
    control.writeBigUInt64LE(BigInt(controlHeaderSize + 4), 0);
    control.writeInt32LE(SOL_SOCKET, 8);
    control.writeInt32LE(SCM_RIGHTS, 12);
    control.writeInt32LE(fd, controlHeaderSize);
    const outgoing = message(Buffer.from('x'), control);
    check(libc().sendmsg(from, outgoing.header, 0), 'sendmsg(SCM_RIGHTS)');
    keepAlive(...outgoing.parts);
    const received = Buffer.alloc(controlSpace);
    const incoming = message(Buffer.alloc(1), received);
    check(libc().recvmsg(to, incoming.header, MSG_CMSG_CLOEXEC), 'recvmsg(SCM_RIGHTS)');
    keepAlive(...incoming.parts);
    return received.readInt32LE(controlHeaderSize);
  } finally {
    libc().close(from);
    libc().close(to);
  }
}

function message(data: Buffer, control: Buffer): { readonly header: Buffer; readonly parts: readonly Buffer[] } {
  const vector = Buffer.alloc(16);
  vector.writeBigUInt64LE(addressOf(data), 0);
  vector.writeBigUInt64LE(BigInt(data.length), 8);
  const header = Buffer.alloc(messageHeaderSize);
  header.writeBigUInt64LE(addressOf(vector), 16);
  header.writeBigUInt64LE(1n, 24);
  header.writeBigUInt64LE(addressOf(control), 32);
  header.writeBigUInt64LE(BigInt(control.length), 40);
  return { header, parts: [data, control, vector] };
}

function unlessEmpty(call: () => number): number | null {
  try {
    return call();
  } catch (error) {
    if (isSysError(error, 'EAGAIN')) return null;
    throw error;
  }
}
