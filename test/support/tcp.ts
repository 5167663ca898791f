import type { Server } from 'node:net';
import { createServer, Socket } from 'node:net';
import { endpoint, endpointText, socketFamily } from '../../src/conformance/endpoint.ts';
import type { Identity } from '../../src/conformance/identity.ts';
import { asIdentity, root } from '../../src/conformance/identity.ts';
import type { SocketOptions } from '../../src/kernel/index.ts';
import {
  closeFd,
  connectSocket,
  FdPoller,
  inNetns,
  localAddress,
  openSocket,
  originalDestination,
  peerAddress,
  pollEvents,
  socketError,
  waitConnected,
} from '../../src/kernel/index.ts';
import { waitForSockets } from '../../src/kernel/socket-io.ts';
import { errnoName } from '../../src/kernel/sys-error.ts';
import type { TestNetns } from './network.ts';

export { endpoint, endpointText } from '../../src/conformance/endpoint.ts';
export { application, asIdentity, type Identity, proxy, root } from '../../src/conformance/identity.ts';

/** Makes a socket in a namespace while this process has the given effective ids. */
export function socketAs(netns: TestNetns, who: Identity, options: SocketOptions): number {
  return inNetns(netns.handle, () => asIdentity(who, () => openSocket(options)));
}

/** What an accepted connection shows of itself. */
export interface Accepted {
  readonly local: string;
  readonly peer: string;
  readonly original: string;
}

/** A listening socket that remembers what it accepted, and answers every connection with its own name. */
export interface Listener extends AsyncDisposable {
  readonly name: string;
  readonly accepted: readonly Accepted[];
}

export async function listen(
  netns: TestNetns,
  who: Identity,
  name: string,
  at: string,
  options: { dual?: boolean } = {},
): Promise<Listener> {
  const address = endpoint(at);
  const family = address.address.length === 4 ? 4 : 6;
  const fd = socketAs(netns, who, {
    family,
    type: 'tcp',
    bind: address,
    listen: 128,
    reuse: true,
    ...(family === 6 ? { v6only: options.dual !== true } : {}),
  });
  const accepted: Accepted[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const child = fdOf(socket);
    accepted.push({
      local: endpointText(localAddress(child)),
      peer: endpointText(peerAddress(child)),
      original: endpointText(originalDestination(child, family === 6 && !isMapped(child) ? 6 : 4)),
    });
    socket.on('error', () => socket.destroy());
    // what a client sends is of no interest, but its end must be seen
    socket.resume();
    socket.end(name);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ fd }, resolve);
  });
  return { name, accepted, [Symbol.asyncDispose]: () => closeServer(server) };
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}

function isMapped(fd: number): boolean {
  return endpointText(peerAddress(fd)).startsWith('[::ffff:');
}

/** The descriptor below a socket of Node. */
export function fdOf(socket: Socket): number {
  const handle = (socket as Socket & { readonly _handle: { readonly fd: number } | null })._handle;
  if (handle === null) throw new Error('the connection is gone already');
  return handle.fd;
}

/** What a client saw of its connection. `answer` is the listener's name, or the errno. */
export interface Dialled {
  readonly answer: string;
  readonly local: string;
  readonly peer: string;
  readonly original: string;
}

/** Connects as somebody, reads until the end, and says what could be seen. The socket may be of another family than the address (v4-mapped). */
export async function dial(
  netns: TestNetns,
  who: Identity,
  to: string,
  options: { from?: string; reuse?: boolean; patienceMs?: number } = {},
): Promise<Dialled> {
  const bind = options.from === undefined ? {} : { bind: endpoint(options.from) };
  const reuse = options.reuse === undefined ? {} : { reuse: options.reuse };
  return dialOn(socketAs(netns, who, { family: socketFamily(to), type: 'tcp', ...bind, ...reuse }), to, root, options.patienceMs);
}

/** As `dial`, with a socket that is there already; it is closed at the end. `as` calls connect(), whoever made the socket. */
export async function dialOn(fd: number, to: string, as: Identity = root, patienceMs?: number): Promise<Dialled> {
  const errno = await connectOn(fd, to, as, patienceMs);
  if (errno !== null) {
    closeFd(fd);
    return { answer: errno, local: 'none', peer: 'none', original: 'none' };
  }
  const seen = {
    local: endpointText(localAddress(fd)),
    peer: endpointText(peerAddress(fd)),
    original: endpointText(originalDestination(fd, socketFamily(to) === 6 && !to.startsWith('[::ffff:') ? 6 : 4)),
  };
  return { answer: await readAll(fd), ...seen };
}

/** Connects a socket that stays the caller's. Returns the errno of a connection that could not be made, TIMEOUT after 1.5 s unless told; else null. */
export async function connectOn(fd: number, to: string, as: Identity = root, patienceMs = 1500): Promise<string | null> {
  using poller = new FdPoller();
  try {
    asIdentity(as, () => connectSocket(fd, endpoint(to)));
    await waitConnected(fd, poller, AbortSignal.timeout(patienceMs));
    return null;
  } catch (error) {
    if (error instanceof Error && error.name === 'TimeoutError') return outcomeOf(fd);
    if (error instanceof Error && 'errno' in error && typeof error.errno === 'string') return error.errno;
    throw error;
  }
}

/** What the kernel says when the time is up. On a busy machine this process may have slept through the event, and hear of its timer first. */
function outcomeOf(fd: number): string | null {
  if (waitForSockets([fd], pollEvents.writable, 0).length === 0) return 'TIMEOUT';
  const errno = socketError(fd);
  return errno === 0 ? null : errnoName(errno);
}

/** Reads a connected socket until its end, closes it and returns the text, or the errno that ended it. */
export function readAll(fd: number): Promise<string> {
  const socket = new Socket({ fd });
  return new Promise((resolve) => {
    let text = '';
    socket.setEncoding('latin1');
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('error', (error) => {
      text = 'code' in error ? String(error.code) : error.message;
    });
    socket.on('close', () => resolve(text));
  });
}
