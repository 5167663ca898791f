import { closeFd, connectSocket, isSysError, pollEvents, SysError, socketError } from '../kernel/index.ts';
import { connectByWorker, hasIoUring } from '../kernel/io-uring.ts';
import { passDescriptor, sendBytes, waitForSockets } from '../kernel/socket-io.ts';
import { setSocketBlocking, setSocketNumber } from '../kernel/sockets.ts';
import { errnoName } from '../kernel/sys-error.ts';
import { endpoint, socketFamily } from './endpoint.ts';
import type { Identity } from './identity.ts';
import { asIdentity } from './identity.ts';
import { patience } from './listener.ts';
import type { Stage } from './stage.ts';
import { outsideIds, socketAt } from './stage.ts';
import type { Place } from './topology.ts';
import type { SocketWay } from './types.ts';

const IPPROTO_TCP = 6;
const TCP_FASTOPEN_CONNECT = 30;
const MSG_FASTOPEN = 0x20000000;
const IPPROTO_MPTCP = 262;

/** A connection that a client wants. */
export interface Wanted {
  readonly at: Place;
  readonly who: Identity;
  readonly to: string;
  readonly from?: string;
  readonly way?: SocketWay;
  readonly caller?: Identity;
  /** SO_REUSEADDR and SO_REUSEPORT before bind. */
  readonly reuse?: boolean;
}

/** A connected socket that is the caller's, or why there is none. */
export type Dialled =
  | { readonly kind: 'connected'; readonly fd: number }
  | { readonly kind: 'failed'; readonly errno: string }
  /** This kernel has no such socket. */
  | { readonly kind: 'unsupported' };

/** What every client says first. */
export const greeting = 'hello';

/** Connects, says `greeting`, and gives the socket. */
export function dial(stage: Stage, wanted: Wanted): Dialled {
  const fd = clientSocket(stage, wanted);
  if (fd === null) return { kind: 'unsupported' };
  const errno = start(stage, fd, wanted) ?? finish(fd);
  if (errno === null) return { kind: 'connected', fd };
  closeFd(fd);
  return { kind: 'failed', errno };
}

function clientSocket(stage: Stage, { at, who, to, from, way, reuse }: Wanted): number | null {
  const options = {
    family: socketFamily(to),
    type: 'tcp',
    ...(from === undefined ? {} : { bind: endpoint(from) }),
    ...(reuse === true ? { reuse } : {}),
    ...(way === 'mptcp' ? { protocol: IPPROTO_MPTCP } : {}),
  } as const;
  if (way === 'io-uring' && !hasIoUring()) return null;
  try {
    const fd = socketAt(stage, at, who, options);
    if (way !== 'passed') return fd;
    const passed = passDescriptor(fd);
    closeFd(fd);
    return passed;
  } catch (error) {
    if (isSysError(error, 'EPROTONOSUPPORT')) return null;
    throw error;
  }
}

/** Begins the connection and sends the greeting. The errno of what failed at once, or null. */
function start(stage: Stage, fd: number, { at, who, to, way, caller = who }: Wanted): string | null {
  const ids = at === 'pod' ? outsideIds(caller, stage.world) : caller;
  const address = endpoint(to);
  const data = Buffer.from(greeting);
  try {
    if (way === 'fast-open-option') setSocketNumber(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1, 'TCP_FASTOPEN_CONNECT');
    if (way === 'blocking') setSocketBlocking(fd, patience);
    if (way === 'fast-open-message') {
      asIdentity(ids, () => sendBytes(fd, data, { to: address, flags: MSG_FASTOPEN }));
      return null;
    }
    if (way === 'io-uring') asIdentity(ids, () => connectByWorker(fd, address, patience));
    else asIdentity(ids, () => connectSocket(fd, address));
    // With fast open the SYN waits for the first data.
    if (way === 'fast-open-option') {
      sendBytes(fd, data);
      return null;
    }
    const errno = finish(fd);
    if (errno === null) sendBytes(fd, data);
    return errno;
  } catch (error) {
    if (isSysError(error, 'EINPROGRESS')) return null;
    if (error instanceof SysError) return error.errno;
    throw error;
  }
}

/** Waits until the handshake is done. The errno that ended it, `timeout`, or null. */
function finish(fd: number): string | null {
  if (waitForSockets([fd], pollEvents.writable, patience).length === 0) return 'timeout';
  const errno = socketError(fd);
  return errno === 0 ? null : errnoName(errno);
}
