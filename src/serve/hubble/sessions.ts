import type { ServerHttp2Session } from 'node:http2';

/** Connections of one server at once. */
export const mostSessions = 256;

/** The connections of a server. Where there are too many, one that asks for nothing makes way for the one that comes. */
export class Sessions {
  /** How many calls each has open; in the order in which they last were without any. */
  readonly #open = new Map<ServerHttp2Session, number>();

  /** Takes a connection; one too many is closed at once where all others are in use. */
  add(session: ServerHttp2Session): void {
    if (this.#open.size >= mostSessions) this.#idle()?.destroy();
    if (this.#open.size >= mostSessions) {
      session.destroy();
      return;
    }
    this.#open.set(session, 0);
    session.once('close', () => this.#open.delete(session));
    session.on('stream', (stream) => {
      this.#count(session, 1);
      stream.once('close', () => this.#count(session, -1));
    });
  }

  /** Ends all. */
  destroy(): void {
    for (const session of [...this.#open.keys()]) session.destroy();
  }

  #count(session: ServerHttp2Session, change: 1 | -1): void {
    const calls = this.#open.get(session);
    if (calls === undefined) return;
    if (calls + change === 0) this.#open.delete(session);
    this.#open.set(session, calls + change);
  }

  /** The one that has been without a call for longest, no longer counted; null where there is none. */
  #idle(): ServerHttp2Session | null {
    for (const [session, calls] of this.#open) {
      if (calls > 0) continue;
      this.#open.delete(session);
      return session;
    }
    return null;
  }
}
