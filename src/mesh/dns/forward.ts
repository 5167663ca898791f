import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import { frame, StreamReader } from './framing.ts';

/** A name server to ask for names outside of the cluster. */
export interface Upstream {
  /** IPv4 or IPv6, in text. */
  readonly address: string;
  readonly port: number;
}

export type ForwardResult =
  /** The response with the client's id. Its code may be NXDOMAIN, or the upstream server's own SERVFAIL. */
  | { readonly kind: 'answered'; readonly message: Buffer; readonly upstream: Upstream }
  /** No server answered. `reason` names each one and why. */
  | { readonly kind: 'failed'; readonly reason: string };

export interface ForwardOptions {
  /** Milliseconds for each server, UDP and TCP together; 2000 unless told, so that two fit in a resolver's usual 5 s. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

const servfail = 2;
const refused = 5;

/**
 * Asks upstream servers in their order, each over UDP with a port and an id of its own, and again over TCP if the answer is truncated. The first answer
 * that is neither SERVFAIL nor REFUSED is taken; if all refuse, the last such answer. What does not repeat id and question is not
 * an answer. Throws only the signal's reason.
 */
export async function forwardQuery(query: Buffer, upstreams: readonly Upstream[], options: ForwardOptions = {}): Promise<ForwardResult> {
  const timeoutMs = options.timeoutMs ?? 2000;
  const reasons: string[] = [];
  let unwilling: ForwardResult | null = null;
  for (const upstream of upstreams) {
    options.signal?.throwIfAborted();
    const limit = new AbortController();
    const cancel = () => limit.abort();
    const timer = setTimeout(cancel, timeoutMs);
    options.signal?.addEventListener('abort', cancel, { once: true });
    try {
      const message = await ask(query, upstream, limit.signal);
      message.writeUInt16BE(query.readUInt16BE(0), 0);
      const result: ForwardResult = { kind: 'answered', message, upstream };
      const rcode = message.readUInt16BE(2) & 0xf;
      if (rcode !== servfail && rcode !== refused) return result;
      unwilling = result;
    } catch (error) {
      options.signal?.throwIfAborted();
      // Silence, an ICMP error or a closed connection: all mean that this server did not answer, and the next one is asked.
      const why = limit.signal.aborted ? `no answer within ${timeoutMs} ms` : error instanceof Error ? error.message : String(error);
      reasons.push(`${upstream.address} port ${upstream.port}: ${why}`);
    } finally {
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', cancel);
    }
  }
  return unwilling ?? { kind: 'failed', reason: reasons.join('; ') };
}

async function ask(query: Buffer, upstream: Upstream, signal: AbortSignal): Promise<Buffer> {
  const own = Buffer.from(query);
  own.writeUInt16BE(globalThis.crypto.getRandomValues(new Uint16Array(1))[0] ?? 0, 0);
  const answer = await askUdp(own, upstream, signal);
  const truncated = (answer.readUInt16BE(2) & 0x0200) !== 0;
  return truncated ? await askTcp(own, upstream, signal) : answer;
}

function askUdp(query: Buffer, upstream: Upstream, signal: AbortSignal): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(isIPv6(upstream.address) ? 'udp6' : 'udp4');
    const settle = (finish: () => void) => {
      signal.removeEventListener('abort', aborted);
      socket.removeAllListeners().on('error', () => {});
      socket.close();
      finish();
    };
    const fail = (error: unknown) => settle(() => reject(error));
    const aborted = () => fail(signal.reason);
    signal.addEventListener('abort', aborted, { once: true });
    socket.on('error', fail);
    // Something else may arrive at the port, forged or late: it is passed over, and the wait goes on.
    socket.on('message', (message) => {
      if (answers(query, message)) settle(() => resolve(message));
    });
    // A connected socket takes datagrams from this server alone and reports "connection refused".
    socket.connect(upstream.port, upstream.address, () =>
      socket.send(query, (error) => error !== null && error !== undefined && fail(error)),
    );
  });
}

function askTcp(query: Buffer, upstream: Upstream, signal: AbortSignal): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: upstream.address, port: upstream.port, signal });
    const reader = new StreamReader();
    const settle = (finish: () => void) => {
      socket.removeAllListeners().on('error', () => {});
      socket.destroy();
      finish();
    };
    socket.on('error', (error) => settle(() => reject(error)));
    socket.on('end', () => settle(() => reject(new Error('the connection was closed before the answer'))));
    socket.on('data', (chunk) => {
      for (const message of reader.push(chunk)) {
        if (answers(query, message)) return settle(() => resolve(message));
      }
    });
    socket.write(frame(query));
  });
}

/** Whether a message is a response to this query: same id and same question. Servers may change the case of letters. */
function answers(query: Buffer, message: Buffer): boolean {
  if (message.length < 12 || (message.readUInt16BE(2) & 0x8000) === 0 || message.readUInt16BE(0) !== query.readUInt16BE(0)) return false;
  // An error may come without the question (FORMERR of a server that could not read it).
  if (message.readUInt16BE(4) === 0) return (message.readUInt16BE(2) & 0xf) !== 0;
  const end = questionEnd(query);
  return message.subarray(12, end).toString('latin1').toLowerCase() === query.subarray(12, end).toString('latin1').toLowerCase();
}

/** Behind the question of a query that has been read before and is well-formed. */
function questionEnd(query: Buffer): number {
  let offset = 12;
  while ((query[offset] ?? 0) !== 0) offset += 1 + (query[offset] ?? 0);
  return offset + 5;
}
