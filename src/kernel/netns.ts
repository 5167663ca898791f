import { fstatSync } from 'node:fs';
import { UserError } from '../base/errors.ts';
import { check, closeFd, libc, openFd, openFlags } from './libc.ts';
import type { SocketOptions } from './sockets.ts';
import { openSocket, socketNetnsCookie } from './sockets.ts';
import { SysError } from './sys-error.ts';

const CLONE_NEWNET = 0x4000_0000;
/** ioctl of linux/nsfs.h: the CLONE_ flag of a namespace's type. */
const NS_GET_NSTYPE = 0xb703;
/** ioctl of linux/sockios.h: a descriptor of a socket's network namespace (Linux ≥ 4.9). */
const SIOCGSKNS = 0x894c;

/**
 * An open network namespace. It stays while this is open, whatever becomes of its processes and names; its names are free to go, because the
 * descriptor is none of a file that they are mounted on.
 */
export interface NetnsHandle extends Disposable {
  readonly fd: number;
  /** Identity as in /proc/PID/ns/net and in link information. */
  readonly inode: bigint;
  /** Identity as BPF programs see it; never used twice until the machine restarts. */
  readonly cookie: bigint;
  close(): void;
}

/**
 * Opens a network namespace by path: /run/netns/NAME, /proc/PID/ns/net. Takes about 0.1 ms.
 * @throws UserError NETNS_INVALID when the path does not open or is something else
 */
export function openNetns(path: string): NetnsHandle {
  let fd: number;
  try {
    // a FIFO without a writer would hold this thread for ever; namespaces do not mind
    fd = openFd(path, openFlags.O_RDONLY | openFlags.O_NONBLOCK);
  } catch (cause) {
    throw invalid(path, cause instanceof SysError ? cause.errno : String(cause), cause);
  }
  try {
    const type = libc().ioctl(fd, NS_GET_NSTYPE, 0);
    if (type !== CLONE_NEWNET) throw invalid(path, type < 0 ? 'not a namespace' : 'a namespace of another kind');
    return handleOf(fd);
  } finally {
    closeFd(fd);
  }
}

function handleOf(named: number): NetnsHandle {
  const socket = socketIn(named, { family: 4, type: 'udp' });
  let fd: number;
  let cookie: bigint;
  try {
    cookie = socketNetnsCookie(socket);
    fd = check(libc().ioctl(socket, SIOCGSKNS, 0), 'ioctl(SIOCGSKNS)');
  } finally {
    closeFd(socket);
  }
  let open = true;
  const close = (): void => {
    if (open) closeFd(fd);
    open = false;
  };
  return { fd, inode: fstatSync(fd, { bigint: true }).ino, cookie, close, [Symbol.dispose]: close };
}

function invalid(path: string, found: string, cause?: unknown): UserError {
  return new UserError('NETNS_INVALID', `Cannot use ${path} as a network namespace because it is none: current value ${found}`, {
    cure: 'Give a path like /run/netns/NAME or /proc/PID/ns/net of a running process.',
    command: 'lsns -t net',
    cause,
    data: { path, found },
  });
}

/**
 * Runs `work` with this thread in another network namespace, and comes back whatever happens. Synchronous only: sockets must be made inside
 * (see socketIn), because `net.connect()` and `listen(port, host)` of Node run later, outside. Child processes started inside stay there.
 * @throws TypeError when `work` returns a promise; SysError
 */
export function inNetns<T>(netns: number | string | { readonly fd: number }, work: () => T): T {
  const target = typeof netns === 'string' ? openFd(netns) : typeof netns === 'number' ? netns : netns.fd;
  try {
    const home = openFd('/proc/thread-self/ns/net');
    try {
      check(libc().setns(target, CLONE_NEWNET), `setns(${typeof netns === 'string' ? netns : target})`);
      try {
        const result = work();
        if (result instanceof Promise)
          throw new TypeError('Cannot run asynchronous work in another network namespace: the thread leaves it before the work ends');
        return result;
      } finally {
        check(libc().setns(home, CLONE_NEWNET), 'setns(back)');
      }
    } finally {
      closeFd(home);
    }
  } finally {
    if (typeof netns === 'string') closeFd(target);
  }
}

/** openSocket() in another network namespace. */
export function socketIn(netns: number | string | { readonly fd: number }, options: SocketOptions): number {
  return inNetns(netns, () => openSocket(options));
}
