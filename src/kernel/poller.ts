import koffi from 'koffi';
import { epollEvent, epollEventSize } from './layouts.ts';
import { check, closeFd, libc, openFlags } from './libc.ts';

const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const eventsPerTurn = 64;

/** epoll(7) event bits. */
export const pollEvents = { readable: 1, writable: 4, error: 8, hangup: 16 } as const;

/** Handles that the garbage collector must not take: koffi's poll handle goes silent when it does. */
const alive = new Set<FdPoller>();

/**
 * Waits for descriptors that Node knows nothing of: ring buffers, netlink sockets, pidfds. One epoll instance of its own is the only thing
 * given to the event loop, because koffi aborts the process on a descriptor that it does not like. Level-triggered: what is not consumed is
 * reported again. It keeps the process alive while something is registered.
 */
export class FdPoller implements Disposable {
  readonly #epoll: number;
  readonly #callbacks = new Map<number, (events: number) => void>();
  readonly #events = Buffer.alloc(epollEventSize * eventsPerTurn);
  readonly #handle: ReturnType<typeof koffi.node.poll>;
  #scheduled = false;
  #open = true;

  constructor() {
    this.#epoll = check(libc().epollCreate1(openFlags.O_CLOEXEC), 'epoll_create1');
    this.#handle = koffi.node.poll(this.#epoll, () => this.#schedule());
    this.#handle.unref();
    alive.add(this);
  }

  /**
   * Calls `callback` whenever one of `events` (pollEvents, readable unless told) holds. What it throws becomes an uncaught exception. The
   * function returned removes the descriptor; call it before closing the descriptor.
   * @throws SysError EEXIST for a descriptor that is registered, EPERM for a plain file
   */
  add(fd: number, callback: (events: number) => void, events: number = pollEvents.readable): () => void {
    if (!this.#open) throw new Error('Cannot wait for a descriptor because the poller is closed');
    const event = Buffer.alloc(epollEventSize);
    event.writeUInt32LE(events, epollEvent.events);
    event.writeInt32LE(fd, epollEvent.data);
    check(libc().epollCtl(this.#epoll, EPOLL_CTL_ADD, fd, event), `epoll_ctl(add ${fd})`);
    this.#callbacks.set(fd, callback);
    this.#handle.ref();
    let registered = true;
    return () => {
      if (!registered || !this.#open) return;
      registered = false;
      this.#callbacks.delete(fd);
      check(libc().epollCtl(this.#epoll, EPOLL_CTL_DEL, fd, event), `epoll_ctl(remove ${fd})`);
      if (this.#callbacks.size === 0) this.#handle.unref();
    };
  }

  /** Stops waiting for anything. The descriptors stay the callers'. Twice is once. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#callbacks.clear();
    alive.delete(this);
    // The order matters: koffi aborts when the descriptor goes before the handle.
    this.#handle.close();
    closeFd(this.#epoll);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Exceptions in the handle's own callback are swallowed, and the other work of the loop must have its turn. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#dispatch());
  }

  #dispatch(): void {
    this.#scheduled = false;
    if (!this.#open) return;
    const count = check(libc().epollWait(this.#epoll, this.#events, eventsPerTurn, 0), 'epoll_wait');
    let failure: { readonly error: unknown } | null = null;
    for (let index = 0; index < count; index += 1) {
      const at = index * epollEventSize;
      const callback = this.#callbacks.get(this.#events.readInt32LE(at + epollEvent.data));
      try {
        callback?.(this.#events.readUInt32LE(at + epollEvent.events));
      } catch (error) {
        failure ??= { error };
      }
    }
    if (failure !== null) throw failure.error;
  }
}
