import type { SocketAddress } from '../kernel/index.ts';
import { closeFd, localAddress, originalDestination, peerAddress, pollEvents, SysError, socketOption } from '../kernel/index.ts';
import { acceptSocket, receiveBytes, sendBytes, waitForSockets } from '../kernel/socket-io.ts';
import { endpointText, endpointTextWith } from './endpoint.ts';

/** How long anything inside one machine may take before it counts as not happening. Milliseconds. */
export const patience = 600;

/** A listening socket, or one for datagrams, with the name by which the table knows it. */
export interface Listener {
  readonly name: string;
  readonly fd: number;
}

/** One side of an established connection, at the server. */
export interface Accepted {
  readonly name: string;
  readonly fd: number;
}

/** Waits for a connection at any of the listeners. null when none came. */
export function acceptAny(listeners: readonly Listener[], timeoutMs: number = patience): Accepted | null {
  const fds = listeners.map(({ fd }) => fd);
  for (const ready of waitForSockets(fds, pollEvents.readable, timeoutMs)) {
    const fd = acceptSocket(ready);
    const name = listeners.find((listener) => listener.fd === ready)?.name;
    if (fd !== null && name !== undefined) return { name, fd };
  }
  return null;
}

/** Throws away what nobody asked for, so that the next row begins with empty queues. */
export function drain(listeners: readonly Listener[]): void {
  for (;;) {
    const left = acceptAny(listeners, 0);
    if (left === null) return;
    closeFd(left.fd);
  }
}

/** Reads once, waiting for it. The text; `end` at the end of the stream, `nothing` when nothing comes, else the errno. */
export function readText(fd: number): string {
  waitForSockets([fd], pollEvents.readable, patience);
  try {
    const received = receiveBytes(fd);
    if (received === null) return 'nothing';
    return received.data.length === 0 ? 'end' : received.data.toString('latin1');
  } catch (error) {
    if (error instanceof SysError) return error.errno;
    throw error;
  }
}

/** Writes a short text. `sent`, or the errno. */
export function sendText(fd: number, text: string): string {
  try {
    sendBytes(fd, Buffer.from(text, 'latin1'));
    return 'sent';
  } catch (error) {
    if (error instanceof SysError) return error.errno;
    throw error;
  }
}

/** The spread addresses of the eBPF back ends (bpf/lib/address.bpf.h) by their range: which one it is follows from a hash. */
export function spreadText(address: SocketAddress | null): string {
  const text = endpointText(address);
  return text
    .replace(/^127\.(12[89]|1[3-9]\d|2\d\d)\.\d+\.\d+:/, '127.128.0.0/9:')
    .replace(/^\[::ffff:127\.(12[89]|1[3-9]\d|2\d\d)\.\d+\.\d+\]:/, '[::ffff:127.128.0.0/9]:')
    .replace(/^\[fd6d:696c:6c72:6163:[^\]]*\]:/, '[fd6d:696c:6c72:6163::/64]:');
}

/** An address with `same` or `other` for its port, as compared with the port that the client believes it has. */
export function comparedText(address: SocketAddress | null, clientPort: number): string {
  return endpointTextWith(address, address?.port === clientPort ? 'same' : 'other');
}

const SOL_IP = 0;
const IP_TRANSPARENT = 19;
const SOL_IPV6 = 41;
const IPV6_TRANSPARENT = 75;
/** sizeof(struct sockaddr_storage), the room that Envoy gives. */
const storageSize = 128;

/** Where a connection wanted to go, asked as Envoy does: SO_ORIGINAL_DST by the local address's version, else the local address of a transparent socket. */
export function originalText(fd: number): string {
  const local = localAddress(fd);
  const version = local !== null && local.address.length === 16 && !endpointText(local).startsWith('[::ffff:') ? 6 : 4;
  const original = originalDestination(fd, version, storageSize);
  if (original !== null) return endpointText(original);
  const [level, name] = version === 4 ? [SOL_IP, IP_TRANSPARENT] : [SOL_IPV6, IPV6_TRANSPARENT];
  return socketOption(fd, level, name, 4).readInt32LE(0) === 1 ? endpointText(local) : 'none';
}

/** What the server's side shows of a connection. */
export function serverView(fd: number, clientPort: number): { readonly local: string; readonly peer: string; readonly original: string } {
  return { local: spreadText(localAddress(fd)), peer: comparedText(peerAddress(fd), clientPort), original: originalText(fd) };
}
