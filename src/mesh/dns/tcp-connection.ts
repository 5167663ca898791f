import type { Socket } from 'node:net';
import { frame, StreamReader } from './framing.ts';

/** Questions of one connection that may be under way; the connection is read no further until one is answered. */
const maxPending = 16;

/**
 * Answers the questions of one TCP connection, in the order in which their answers are ready (RFC 7766 §6.2.1.1). Closes it when the client has
 * closed its side and everything is answered, when it was idle for `idleTimeoutMs`, and when the signal fires.
 */
export function serveTcpConnection(
  socket: Socket,
  answer: (message: Buffer) => Promise<Buffer | null>,
  options: { readonly idleTimeoutMs: number; readonly signal: AbortSignal },
): void {
  // A client may close its side right behind its question; the answer still goes out.
  socket.allowHalfOpen = true;
  const reader = new StreamReader();
  const waiting: Buffer[] = [];
  let pending = 0;
  let ended = false;
  const destroy = () => socket.destroy();
  options.signal.addEventListener('abort', destroy, { once: true });
  socket.setTimeout(options.idleTimeoutMs, destroy);
  // A reset is the client's way to leave; the close that follows tidies up.
  socket.on('error', destroy);
  socket.on('close', () => options.signal.removeEventListener('abort', destroy));
  socket.on('data', (chunk) => {
    waiting.push(...reader.push(chunk));
    advance();
  });
  socket.on('end', () => {
    ended = true;
    advance();
  });

  function advance(): void {
    while (pending < maxPending) {
      const message = waiting.shift();
      if (message === undefined) break;
      pending++;
      void answerOne(message);
    }
    if (waiting.length > 0) socket.pause();
    else socket.resume();
    if (ended && pending === 0 && waiting.length === 0) socket.end();
  }

  async function answerOne(message: Buffer): Promise<void> {
    const response = await answer(message);
    // A client that does not read its answers is not asked for more questions: it holds its place among the pending ones.
    if (response !== null && socket.writable && !socket.write(frame(response))) {
      await new Promise<void>((resolve) => {
        socket.once('drain', resolve);
        socket.once('close', resolve);
      });
    }
    pending--;
    if (!socket.destroyed) advance();
  }
}
