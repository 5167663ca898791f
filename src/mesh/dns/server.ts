import type { RemoteInfo, Socket as UdpSocket } from 'node:dgram';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import type { Server } from 'node:net';
import { createServer } from 'node:net';
import type { Logger } from '../../base/log.ts';
import { answerQuery, upstreamFailure } from './answer.ts';
import type { Upstream } from './forward.ts';
import { forwardQuery } from './forward.ts';
import { readQuery } from './query.ts';
import { sizeLimit, truncatedResponse } from './response.ts';
import { serveTcpConnection } from './tcp-connection.ts';
import type { DnsZone } from './zone.ts';

export interface DnsServerOptions {
  /** A bound IPv4 UDP socket, made in whatever network namespace. The server owns it from now on. */
  readonly udpFd?: number;
  /** A bound IPv4 TCP socket, listening or not. The server owns it from now on. */
  readonly tcpFd?: number;
  /** The same as Node objects, already bound. The server owns them from now on. */
  readonly udpSocket?: UdpSocket;
  readonly tcpServer?: Server;
  /** The zone of this moment; asked for every query. */
  readonly zone: () => DnsZone;
  /** Asked in this order for names outside of the zone. Empty: such names are refused. */
  readonly upstreams: readonly Upstream[];
  readonly log: Logger;
  /** Told of every question that was answered, also over TCP; `wallMs` is when it came, since 1970. Must be quick and not throw. */
  readonly onAnswer?: (seen: SeenAnswer) => void;
  /**
   * Told of every answer before it goes out, which waits for what this returns, but no longer than `holdMs`; null: for nothing. What it fails with is
   * reported, and the answer goes out all the same.
   */
  readonly beforeAnswer?: (seen: SeenAnswer) => Promise<void> | null;
  /** Milliseconds that an answer waits for beforeAnswer(), 1000 unless told: a client asks again after five seconds. */
  readonly holdMs?: number;
  /** Milliseconds for each upstream server, 2000 unless told. */
  readonly upstreamTimeoutMs?: number;
  /** Milliseconds after which an idle TCP connection is closed, 10,000 unless told. */
  readonly idleTimeoutMs?: number;
}

/** One question and its answer as they went over the wire. */
export interface SeenAnswer {
  readonly message: Buffer;
  readonly response: Buffer;
  readonly transport: 'udp' | 'tcp';
  readonly client: { readonly address: string; readonly port: number };
  /** When the question came, in milliseconds since 1970. */
  readonly wallMs: number;
  readonly latencyMs: number;
}

/** A running DNS server. */
export interface DnsServer {
  /** Closes the sockets and ends every pending question. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Questions that may wait for upstream servers at one time; more are answered with SERVFAIL at once. */
const maxForwarded = 256;
/** Answers that may wait for beforeAnswer() at one time; more go out at once. */
const maxHeld = 1024;
/** TCP connections at one time; more are closed as they come. */
const maxConnections = 128;

/**
 * Serves DNS on sockets that the caller made. Resolves when it answers. An error of one datagram or connection ends nothing else; nothing that
 * a client sends can make it throw. Rejects if a file descriptor is no socket of the kind; that one is then
 * still the caller's.
 */
export async function createDnsServer(options: DnsServerOptions): Promise<DnsServer> {
  const stopped = new AbortController();
  const resolver = new Resolver(options, stopped.signal);
  const udp = options.udpSocket ?? (options.udpFd === undefined ? null : await adoptUdp(options.udpFd));
  let tcp: Server | null;
  try {
    tcp = options.tcpServer ?? (options.tcpFd === undefined ? null : await adoptTcp(options.tcpFd));
  } catch (error) {
    udp?.close();
    throw error;
  }
  const connection = { idleTimeoutMs: options.idleTimeoutMs ?? 10_000, signal: stopped.signal };
  const report = (err: Error) => options.log.warn({ err }, 'A DNS socket reported an error');
  udp?.on('message', (message, client) => void answerUdp(udp, resolver, message, client, options.log)).on('error', report);
  if (tcp !== null) {
    tcp.maxConnections = maxConnections;
    tcp
      .on('connection', (socket) => {
        const client = { address: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 };
        serveTcpConnection(socket, (message) => resolver.answer(message, 'tcp', client), connection);
      })
      .on('error', report);
  }
  const close = async () => {
    if (stopped.signal.aborted) return;
    stopped.abort();
    const ended = [];
    if (udp !== null) ended.push(new Promise<void>((resolve) => udp.close(() => resolve())));
    if (tcp !== null) ended.push(new Promise<void>((resolve) => tcp.close(() => resolve())));
    await Promise.all(ended);
  };
  return { close, [Symbol.asyncDispose]: close };
}

async function adoptUdp(fd: number): Promise<UdpSocket> {
  const socket = createSocket('udp4');
  // For a file descriptor Node emits the event inside of bind().
  const listening = once(socket, 'listening');
  socket.bind({ fd });
  await listening;
  return socket;
}

async function adoptTcp(fd: number): Promise<Server> {
  const server = createServer();
  server.listen({ fd });
  await once(server, 'listening');
  return server;
}

async function answerUdp(socket: UdpSocket, resolver: Resolver, message: Buffer, client: RemoteInfo, log: Logger): Promise<void> {
  const response = await resolver.answer(message, 'udp', { address: client.address, port: client.port });
  if (response === null || resolver.stopped) return;
  try {
    socket.send(response, client.port, client.address, (err) => {
      if (err !== null) log.debug({ err, address: client.address, port: client.port }, 'A DNS response could not be sent');
    });
  } catch (err) {
    // Node refuses some destinations at once (port 0 of a forged datagram).
    log.debug({ err, address: client.address, port: client.port }, 'A DNS response could not be sent');
  }
}

class Resolver {
  readonly #options: DnsServerOptions;
  readonly #signal: AbortSignal;
  #forwarded = 0;
  #upstreamFailing = false;
  #held = 0;
  #holdFailures = 0;

  constructor(options: DnsServerOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
  }

  get stopped(): boolean {
    return this.#signal.aborted;
  }

  /** As resolve(), and tells whoever wants to know. */
  async answer(message: Buffer, transport: 'udp' | 'tcp', client: SeenAnswer['client']): Promise<Buffer | null> {
    const { onAnswer, beforeAnswer } = this.#options;
    if (onAnswer === undefined && beforeAnswer === undefined) return this.resolve(message, transport);
    const wallMs = Date.now();
    const started = performance.now();
    const response = await this.resolve(message, transport);
    if (response === null) return null;
    const seen = () => ({ message, response, transport, client, wallMs, latencyMs: performance.now() - started });
    const wait = beforeAnswer?.(seen()) ?? null;
    if (wait !== null) await this.#hold(wait);
    onAnswer?.(seen());
    return response;
  }

  /** Never rejects, and not for longer than an answer may wait. */
  async #hold(wait: Promise<void>): Promise<void> {
    const { log, holdMs = 1000 } = this.#options;
    const settled = wait.then(
      () => null,
      (err: unknown) => ({ err }),
    );
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<{ err: unknown }>((resolve) => {
      const expire = (): void => resolve({ err: new Error(`nothing for ${holdMs} ms`) });
      if (this.#held >= maxHeld) resolve({ err: new Error(`${maxHeld} answers wait`) });
      else timer = setTimeout(expire, holdMs);
    });
    this.#held += 1;
    try {
      const failure = await Promise.race([settled, late]);
      // one line when it begins and one when it ends, with their number: a client repeats its question many times
      if (failure !== null && this.#holdFailures === 0) log.warn(failure, 'A DNS answer went out before those who wait for it were ready');
      if (failure === null && this.#holdFailures > 0)
        log.info({ count: this.#holdFailures }, 'DNS answers went out too early, and wait again');
      this.#holdFailures = failure === null ? 0 : this.#holdFailures + 1;
    } finally {
      clearTimeout(timer);
      this.#held -= 1;
    }
  }

  /** The response to a message, or null if there is to be none. Never rejects. */
  async resolve(message: Buffer, transport: 'udp' | 'tcp'): Promise<Buffer | null> {
    const { zone, upstreams, log } = this.#options;
    try {
      const action = answerQuery(message, zone(), { transport, forwarding: upstreams.length > 0 });
      if (action.kind === 'respond') return action.message;
      if (action.kind === 'ignore') return null;
      const response = await this.#forward(message, transport, action.query);
      const limit = sizeLimit(action.query, transport);
      if (response.length <= limit) return response;
      return truncatedResponse(action.query, { rcode: 'NOERROR', authoritative: false, recursionAvailable: true });
    } catch (err) {
      if (this.stopped) return null;
      log.error({ err }, 'A DNS query could not be answered');
      const read = readQuery(message);
      return read.kind === 'query' ? upstreamFailure(read.query, 'internal error', transport) : null;
    }
  }

  async #forward(message: Buffer, transport: 'udp' | 'tcp', query: Parameters<typeof upstreamFailure>[0]): Promise<Buffer> {
    if (this.#forwarded >= maxForwarded)
      return upstreamFailure(query, `${maxForwarded} questions are waiting for upstream servers`, transport);
    const { upstreams, upstreamTimeoutMs, log } = this.#options;
    this.#forwarded++;
    try {
      const timeout = upstreamTimeoutMs === undefined ? {} : { timeoutMs: upstreamTimeoutMs };
      const result = await forwardQuery(message, upstreams, { ...timeout, signal: this.#signal });
      const failing = result.kind === 'failed';
      // One line when it begins and one when it ends: a client repeats its question many times.
      if (failing && !this.#upstreamFailing) log.warn({ reason: result.reason }, 'No upstream name server answers');
      if (!failing && this.#upstreamFailing) log.info({ address: result.upstream.address }, 'An upstream name server answers again');
      this.#upstreamFailing = failing;
      return failing ? upstreamFailure(query, result.reason, transport) : result.message;
    } finally {
      this.#forwarded--;
    }
  }
}
