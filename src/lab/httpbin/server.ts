import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { pipeline } from 'node:stream/promises';
import type { Reply } from './replies.ts';
import { page } from './replies.ts';
import type { HttpbinRequest } from './request-info.ts';
import type { Route } from './routes.ts';
import { routes } from './routes.ts';

export interface HttpbinOptions {
  /** An address to listen on. Null: every address of both families, or of IPv4 alone where the machine has no IPv6. */
  readonly host: string | null;
  /** 0: any free port. */
  readonly port: number;
  /** Largest body in bytes; a larger one is answered with 413. 10 MiB unless told. */
  readonly maxBodyBytes?: number;
}

/** A running httpbin. Whoever starts it closes it. */
export interface Httpbin {
  readonly address: string;
  readonly port: number;
  /** Takes no more connections and ends when the requests under way are answered, at the latest after `graceMs` (12 s unless told: the longest /delay fits). */
  close(graceMs?: number): Promise<void>;
}

/** Starts the built-in httpbin. Rejects with the error of listen(2), such as EADDRINUSE or EACCES. */
export async function startHttpbin(options: HttpbinOptions): Promise<Httpbin> {
  const maxBodyBytes = options.maxBodyBytes ?? 10 * 1024 * 1024;
  let closing: Promise<void> | null = null;
  const underWay = new Map<Socket, number>();
  const listener = (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request;
    underWay.set(socket, (underWay.get(socket) ?? 0) + 1);
    response.once('close', () => {
      const requests = underWay.get(socket);
      if (requests !== undefined) underWay.set(socket, requests - 1);
    });
    serve(request, response, maxBodyBytes, () => closing !== null).catch(() => fail(response));
  };
  const server = createServer(listener);
  // Longer than a proxy keeps an idle connection, so that it is the proxy who closes and no request meets a closing server.
  server.keepAliveTimeout = 75_000;
  server.on('connection', (socket: Socket) => {
    underWay.set(socket, 0);
    socket.once('close', () => underWay.delete(socket));
  });
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    if (!(declaredLength(request) > maxBodyBytes)) response.writeContinue();
    listener(request, response);
  });
  const { address, port } = await listen(server, options);
  return {
    address,
    port,
    close: (graceMs = 12_000) => {
      closing ??= drain(server, underWay, graceMs);
      return closing;
    },
  };
}

/**
 * Node's closeIdleConnections() passes over a connection that has not sent a request yet, such as one that a proxy opened in advance. A kept-alive
 * connection becomes idle only after its answer, so the idle ones are ended again and again until none is left.
 */
async function drain(server: Server, underWay: ReadonlyMap<Socket, number>, graceMs: number): Promise<void> {
  const endIdle = () => {
    for (const [socket, requests] of underWay) if (requests === 0) socket.destroy();
  };
  const timer = setTimeout(() => server.closeAllConnections(), graceMs);
  const sweep = setInterval(endIdle, 50);
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    endIdle();
  });
  clearTimeout(timer);
  clearInterval(sweep);
}

/** The client is gone, or a handler has a bug: then the client shall learn it. */
function fail(response: ServerResponse): void {
  if (response.headersSent || response.destroyed) response.destroy();
  else response.writeHead(500, { Connection: 'close' }).end();
}

async function listen(server: Server, options: HttpbinOptions): Promise<AddressInfo> {
  try {
    return await listenOn(server, options.host ?? '::', options.port);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : null;
    if (options.host !== null || (code !== 'EAFNOSUPPORT' && code !== 'EADDRNOTAVAIL')) throw error;
    return await listenOn(server, '0.0.0.0', options.port);
  }
}

function listenOn(server: Server, host: string, port: number): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, ipv6Only: false, backlog: 1024 }, () => {
      server.off('error', reject);
      const address = server.address();
      if (address === null || typeof address === 'string') reject(new Error('httpbin listens on no IP address'));
      else resolve(address);
    });
  });
}

async function serve(message: IncomingMessage, response: ServerResponse, maxBodyBytes: number, closing: () => boolean): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  const body = await readBody(message, maxBodyBytes);
  if (body === null) return refuseBody(message, response);
  const reply = await answer(message, body, gone.signal);
  if (gone.signal.aborted) return;
  if (closing()) response.setHeader('Connection', 'close');
  await send(response, reply, message.headers.origin);
}

function declaredLength(message: IncomingMessage): number {
  return Number(message.headers['content-length'] ?? 0);
}

/** The whole body; null where it is too large, with the rest unread. */
async function readBody(message: IncomingMessage, most: number): Promise<Buffer | null> {
  if (declaredLength(message) > most) return null;
  const chunks: Buffer[] = [];
  let size = 0;
  return await new Promise((resolve, reject) => {
    const onData = (chunk: Buffer) => {
      size += chunk.length;
      if (size <= most) chunks.push(chunk);
      else {
        message.pause().off('data', onData);
        resolve(null);
      }
    };
    message.on('data', onData);
    message.once('end', () => resolve(Buffer.concat(chunks)));
    message.once('error', reject);
    message.once('close', () => reject(new Error('the client closed the connection')));
  });
}

/** Answers 413 at once, and closes when the client has stopped sending or after a second: closing on unread bytes would reset the answer away. */
async function refuseBody(message: IncomingMessage, response: ServerResponse): Promise<void> {
  const reply = page(413, 'The body is larger than this server takes.');
  const text = String(reply.body);
  response.writeHead(reply.status, [...reply.headers, ['Content-Length', String(Buffer.byteLength(text))], ['Connection', 'close']].flat());
  response.write(text);
  message.resume();
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, 1000);
    const done = () => {
      clearTimeout(timer);
      resolve();
    };
    message.once('end', done).once('close', done);
    if (message.readableEnded || message.destroyed) done();
  });
  response.end();
}

async function answer(message: IncomingMessage, body: Buffer, signal: AbortSignal): Promise<Reply> {
  const request = toRequest(message, body);
  if (request === null) return page(400, 'The target of the request is not a path.');
  const method = request.method === 'HEAD' ? 'GET' : request.method;
  if (request.path === '/') return ['GET', 'OPTIONS'].includes(method) ? index(method) : notAllowed(['GET']);
  for (const route of routes) {
    const match = route.pattern.exec(request.path);
    if (match === null) continue;
    if (method === 'OPTIONS') return { status: 200, headers: [['Allow', allowed(route.methods)]], body: '' };
    if (!route.methods.includes(method)) return notAllowed(route.methods);
    return await route.handle(request, match.slice(1), signal);
  }
  return page(404, 'The requested URL was not found on the server.');
}

function allowed(methods: readonly string[]): string {
  return [...methods, ...(methods.includes('GET') ? ['HEAD'] : []), 'OPTIONS'].join(', ');
}

function notAllowed(methods: readonly string[]): Reply {
  return page(405, 'The method is not allowed for the requested URL.', [['Allow', allowed(methods)]]);
}

function index(method: string): Reply {
  if (method === 'OPTIONS') return { status: 200, headers: [['Allow', allowed(['GET'])]], body: '' };
  const item = ({ methods, path }: Route) => `<li><code>${methods.join(' ')} ${path.replaceAll('&', '&amp;')}</code></li>`;
  const body = `<!doctype html>\n<title>httpbin</title>\n<h1>httpbin</h1>\n<p>Answers that show the request.</p>\n<ul>\n${routes.map(item).join('\n')}\n</ul>\n`;
  return { status: 200, headers: [['Content-Type', 'text/html; charset=utf-8']], body };
}

/** null: a target that is not a path, or one that does not decode. */
function toRequest(message: IncomingMessage, body: Buffer): HttpbinRequest | null {
  const target = message.url ?? '/';
  // A client that takes this server for a proxy sends the whole URL.
  const local = /^https?:\/\//i.test(target) ? target.replace(/^https?:\/\/[^/?#]*/i, '') || '/' : target;
  if (!local.startsWith('/')) return null;
  const question = local.indexOf('?');
  const rawPath = question < 0 ? local : local.slice(0, question);
  const query = new URLSearchParams(question < 0 ? '' : local.slice(question + 1));
  const forwarded = message.headers['x-forwarded-proto'] ?? message.headers['x-forwarded-protocol'];
  const scheme = forwarded === 'https' || message.headers['x-forwarded-ssl'] === 'on' ? 'https' : 'http';
  try {
    return {
      method: message.method ?? 'GET',
      path: decodeURIComponent(rawPath),
      query,
      rawHeaders: message.rawHeaders,
      url: `${scheme}://${message.headers.host ?? 'localhost'}${local}`,
      body,
      peer: message.socket.remoteAddress ?? '',
    };
  } catch {
    return null;
  }
}

async function send(response: ServerResponse, reply: Reply, origin: string | undefined): Promise<void> {
  response.statusCode = reply.status;
  for (const [name, value] of reply.headers) response.appendHeader(name, value);
  response.setHeader('Access-Control-Allow-Origin', origin ?? '*');
  response.setHeader('Access-Control-Allow-Credentials', 'true');
  if (typeof reply.body !== 'string' && !Buffer.isBuffer(reply.body)) {
    await pipeline(reply.body, response);
    return;
  }
  if (reply.status !== 204 && reply.status !== 304) response.setHeader('Content-Length', Buffer.byteLength(reply.body));
  response.end(reply.body);
}
