import type { Pointer } from './ffi.ts';
import { check, libc } from './libc.ts';
import type { FdPoller } from './poller.ts';
import type { SocketAddress } from './sockaddr.ts';
import { addressFamily, decodeSockaddr, encodeSockaddr } from './sockaddr.ts';
import { isSysError, SysError } from './sys-error.ts';

const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_RAW = 3;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;

const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_ERROR = 4;
const SO_LINGER = 13;
const SO_REUSEPORT = 15;
const SO_SNDTIMEO = 21;
const SO_MARK = 36;
const SO_NETNS_COOKIE = 71;
const SOL_IP = 0;
const SOL_IPV6 = 41;
const SO_ORIGINAL_DST = 80;
const IPV6_V6ONLY = 26;
const EPOLLOUT = 4;
const F_GETFL = 3;
const F_SETFL = 4;

const socketKinds = { tcp: SOCK_STREAM, udp: SOCK_DGRAM, raw: SOCK_RAW } as const;

export interface SocketOptions {
  readonly family: 4 | 6;
  readonly type: 'tcp' | 'udp' | 'raw';
  /** A number of linux/in.h in place of the type's own protocol: 262 for MPTCP, 1 with `udp` for ICMP echo. Raw sockets must name one. */
  readonly protocol?: number;
  readonly bind?: SocketAddress;
  /** Starts a connection without waiting for it; see waitConnected. */
  readonly connect?: SocketAddress;
  /** Backlog of a listening socket. */
  readonly listen?: number;
  /** false: an IPv6 socket that speaks IPv4 too. The kernel's default unless told. */
  readonly v6only?: boolean;
  /** SO_REUSEADDR and SO_REUSEPORT. */
  readonly reuse?: boolean;
  /** SO_MARK. */
  readonly mark?: number;
}

/**
 * A non-blocking, close-on-exec socket of the calling thread's network namespace: for `new net.Socket({ fd })`, `server.listen({ fd })` and
 * `dgram.bind({ fd })`. The caller owns it until Node takes it over.
 * @throws SysError; the socket is closed then
 */
export function openSocket(options: SocketOptions): number {
  const { family, type } = options;
  const domain = family === 4 ? addressFamily.v4 : addressFamily.v6;
  const kind = socketKinds[type] | SOCK_NONBLOCK | SOCK_CLOEXEC;
  const fd = check(libc().socket(domain, kind, options.protocol ?? 0), `socket(${type}${family})`);
  try {
    if (options.v6only !== undefined) setSocketNumber(fd, SOL_IPV6, IPV6_V6ONLY, options.v6only ? 1 : 0, 'IPV6_V6ONLY');
    if (options.reuse === true) {
      setSocketNumber(fd, SOL_SOCKET, SO_REUSEADDR, 1, 'SO_REUSEADDR');
      setSocketNumber(fd, SOL_SOCKET, SO_REUSEPORT, 1, 'SO_REUSEPORT');
    }
    if (options.mark !== undefined) setSocketNumber(fd, SOL_SOCKET, SO_MARK, options.mark, 'SO_MARK');
    if (options.bind !== undefined) bindSocket(fd, options.bind);
    if (options.listen !== undefined) listenSocket(fd, options.listen);
    if (options.connect !== undefined) connectSocket(fd, options.connect);
    return fd;
  } catch (error) {
    libc().close(fd);
    throw error;
  }
}

/** bind(2). @throws SysError */
export function bindSocket(fd: number, address: SocketAddress): void {
  const bytes = encodeSockaddr(address);
  check(libc().bind(fd, bytes, bytes.length), `bind(${fd}, port ${address.port})`);
}

/** listen(2). @throws SysError EADDRINUSE */
export function listenSocket(fd: number, backlog: number): void {
  check(libc().listen(fd, backlog), `listen(${fd})`);
}

/** connect(2) of a non-blocking socket: returns while the connection is being made. @throws SysError for what fails at once (EPERM, EADDRNOTAVAIL) */
export function connectSocket(fd: number, address: SocketAddress): void {
  const bytes = encodeSockaddr(address);
  try {
    check(libc().connect(fd, bytes, bytes.length), `connect(${fd}, port ${address.port})`);
  } catch (error) {
    if (!isSysError(error, 'EINPROGRESS')) throw error;
  }
}

/** Makes a socket block its thread in connect() and send(), for `timeoutMs` at most (SO_SNDTIMEO). @throws SysError */
export function setSocketBlocking(fd: number, timeoutMs: number): void {
  const time = Buffer.alloc(16);
  time.writeBigInt64LE(BigInt(Math.floor(timeoutMs / 1000)), 0);
  time.writeBigInt64LE(BigInt((timeoutMs % 1000) * 1000), 8);
  check(libc().setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, time, time.length), 'setsockopt(SO_SNDTIMEO)');
  const flags = check(libc().fcntl(fd, F_GETFL, 0), `fcntl(${fd})`);
  check(libc().fcntl(fd, F_SETFL, flags & ~SOCK_NONBLOCK), `fcntl(${fd})`);
}

/** Makes close() answer the peer with a reset (SO_LINGER of zero seconds). @throws SysError */
export function resetOnClose(fd: number): void {
  const linger = Buffer.alloc(8);
  linger.writeInt32LE(1, 0);
  check(libc().setsockopt(fd, SOL_SOCKET, SO_LINGER, linger, linger.length), 'setsockopt(SO_LINGER)');
}

/** Waits until a connection that was started is made. @throws SysError (ECONNREFUSED, ETIMEDOUT); the abort reason when `signal` aborts */
export function waitConnected(fd: number, poller: FdPoller, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(signal.reason);
      return;
    }
    const finish = (settle: () => void): void => {
      remove();
      signal?.removeEventListener('abort', aborted);
      settle();
    };
    const aborted = (): void => finish(() => reject(signal?.reason));
    const remove = poller.add(
      fd,
      () => {
        const errno = socketError(fd);
        finish(() => (errno === 0 ? resolve() : reject(new SysError(`connect(${fd})`, errno))));
      },
      EPOLLOUT,
    );
    signal?.addEventListener('abort', aborted);
  });
}

/** Takes the pending error of a socket (SO_ERROR): a positive errno, or 0. */
export function socketError(fd: number): number {
  return socketOption(fd, SOL_SOCKET, SO_ERROR, 4).readInt32LE(0);
}

/** getsockopt(2) with room for `length` bytes: what the kernel wrote. @throws SysError */
export function socketOption(fd: number, level: number, name: number, length: number): Buffer {
  const value = Buffer.alloc(length);
  const size = Buffer.alloc(4);
  size.writeUInt32LE(length);
  check(libc().getsockopt(fd, level, name, value, size), `getsockopt(${fd}, ${level}, ${name})`);
  return value.subarray(0, size.readUInt32LE(0));
}

/**
 * Where the client of an accepted connection wanted to go, as a proxy asks: SOL_IP/SO_ORIGINAL_DST or SOL_IPV6/IP6T_SO_ORIGINAL_DST.
 * Returns null when the kernel knows no other destination (ENOENT, ENOPROTOOPT without netfilter). `length` is the room given, 16 or 28
 * bytes unless told.
 */
export function originalDestination(fd: number, family: 4 | 6, length: number = family === 4 ? 16 : 28): SocketAddress | null {
  try {
    return decodeSockaddr(socketOption(fd, family === 4 ? SOL_IP : SOL_IPV6, SO_ORIGINAL_DST, length));
  } catch (error) {
    if (isSysError(error, 'ENOENT', 'ENOPROTOOPT', 'EOPNOTSUPP')) return null;
    throw error;
  }
}

/** The cookie of the network namespace that a socket belongs to (Linux ≥ 5.14). */
export function socketNetnsCookie(fd: number): bigint {
  return socketOption(fd, SOL_SOCKET, SO_NETNS_COOKIE, 8).readBigUInt64LE(0);
}

/** getsockname(2): what a socket is bound to. */
export function localAddress(fd: number): SocketAddress | null {
  return addressFrom((address, length) => libc().getsockname(fd, address, length), `getsockname(${fd})`);
}

/** getpeername(2): whom a socket believes it is talking to. @throws SysError ENOTCONN */
export function peerAddress(fd: number): SocketAddress | null {
  return addressFrom((address, length) => libc().getpeername(fd, address, length), `getpeername(${fd})`);
}

function addressFrom(call: (address: Pointer, length: Pointer) => number, name: string): SocketAddress | null {
  const address = Buffer.alloc(128);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(address.length);
  check(call(address, length), name);
  return decodeSockaddr(address.subarray(0, length.readUInt32LE(0)));
}

/** setsockopt(2) of a 32-bit number; `label` is its name in error messages. @throws SysError */
export function setSocketNumber(fd: number, level: number, name: number, value: number, label: string): void {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  check(libc().setsockopt(fd, level, name, bytes, bytes.length), `setsockopt(${label})`);
}
