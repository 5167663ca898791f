import { chmod, readFile, rm } from 'node:fs/promises';
import type { Http2SecureServer, Http2Server, Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import { createSecureServer, createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { ConnectRouter } from '@connectrpc/connect';
import { Code, ConnectError, createConnectRouter } from '@connectrpc/connect';
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from '@connectrpc/connect-node';
import { answers } from '../../api/sockets.ts';
import { UserError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { mostSessions, Sessions } from './sessions.ts';

/** Certificates in PEM files. With `clientCaFile` only clients with a certificate of that authority are let in. */
export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
  readonly clientCaFile?: string;
}

export interface GrpcListen {
  /** Mode 0600, plain text. */
  readonly unixSocket?: string;
  /** Port 0: any free one. Plain text unless `tls` is given. */
  readonly tcp?: { readonly host: string; readonly port: number };
}

/** A server that listens. */
export interface GrpcServer {
  /** `127.0.0.1:4245`; null without TCP. */
  readonly tcpAddress: string | null;
  close(): Promise<void>;
}

/** Bytes of one request; filters are far smaller. */
const readMaxBytes = 1 << 16;
/** Calls at once, of all clients; more are refused. With the size of a request this is what clients can make the process keep. */
const mostCalls = 256;
/** A call whose request has not come whole by then is ended. */
const requestMs = 5000;

/**
 * Serves gRPC over HTTP/2. Throws UserError FLOW_LISTEN where an address is taken, or FILE_UNREADABLE for a certificate that cannot be read; then
 * nothing listens.
 */
export async function serveGrpc(options: {
  readonly routes: (router: ConnectRouter) => void;
  readonly listen: GrpcListen;
  readonly tls?: TlsFiles;
  readonly log: Logger;
}): Promise<GrpcServer> {
  // each with limits of its own: clients from afar do not hold up whoever asks on the node
  const handler = (): Handler => requestHandler(options.routes, options.log);
  const opened: OpenServer[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(opened.splice(0).map((server) => server.close()));
  };
  try {
    const { unixSocket, tcp } = options.listen;
    if (unixSocket !== undefined) {
      await takeSocket(unixSocket);
      opened.push(await open(createServer(http2Options, handler()), { path: unixSocket }, unixSocket, options.log));
      await chmod(unixSocket, 0o600);
    }
    let tcpAddress: string | null = null;
    if (tcp !== undefined) {
      const server = options.tls === undefined ? createServer(http2Options, handler()) : await secureServer(options.tls, handler());
      opened.push(await open(server, tcp, `${tcp.host}:${tcp.port}`, options.log));
      tcpAddress = addressText(server.address());
    }
    return { tcpAddress, close };
  } catch (error) {
    await close();
    throw error;
  }
}

const http2Options = { settings: { maxConcurrentStreams: 100 }, maxSessionMemory: 4 };
const tlsOptions = { ...http2Options, minVersion: 'TLSv1.2', handshakeTimeout: requestMs } as const;

type Handler = (request: Http2ServerRequest, response: Http2ServerResponse) => void;

/** Calls the services. Headers of an answer go out at once: a client that follows flows must not wait for the first one to know that it is heard. */
function requestHandler(routes: (router: ConnectRouter) => void, log: Logger): Handler {
  const router = createConnectRouter({ grpc: true, grpcWeb: false, connect: false, acceptCompression: [], readMaxBytes });
  routes(router);
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
  let calls = 0;
  return (request, response) => {
    calls += 1;
    const timer = setTimeout(() => request.stream.close(), requestMs);
    request.stream.once('end', () => clearTimeout(timer));
    request.stream.once('close', () => {
      clearTimeout(timer);
      calls -= 1;
    });
    if (calls > mostCalls) {
      refuse(response, `Cannot answer because too many calls are under way: current value ${calls}`);
      return;
    }
    const handler = handlers.get(request.url.split('?')[0] ?? '');
    if (handler === undefined) {
      response.writeHead(404);
      response.end();
      return;
    }
    const type = request.headers['content-type'];
    if (handler.method.methodKind === 'server_streaming' && request.method === 'POST' && type !== undefined && isGrpc(type)) {
      response.writeHead(200, { 'content-type': type });
      // They are the ones that the handler would send, and cannot be sent twice.
      response.writeHead = () => response;
    }
    handler(universalRequestFromNodeRequest(request, response, undefined, undefined))
      .then((answer) => universalResponseToNodeResponse(answer, response))
      .catch((error: unknown) => {
        // whoever hung up is no failure of ours
        if (![Code.Aborted, Code.Canceled].includes(ConnectError.from(error).code))
          log.debug({ err: error }, 'a call of the Hubble API failed');
        if (!response.writableEnded) response.stream.close();
      });
  };
}

/** Ends a call before it is read; @see https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md, "Trailers-Only". */
function refuse(response: Http2ServerResponse, why: string): void {
  const status = { 'grpc-status': String(Code.ResourceExhausted), 'grpc-message': encodeURIComponent(why) };
  response.writeHead(200, { 'content-type': 'application/grpc', ...status });
  response.end();
}

function isGrpc(type: string): boolean {
  return type === 'application/grpc' || type === 'application/grpc+proto';
}

interface OpenServer {
  close(): Promise<void>;
}

async function open(
  server: Http2Server | Http2SecureServer,
  where: { readonly path: string } | { readonly host: string; readonly port: number },
  name: string,
  log: Logger,
): Promise<OpenServer> {
  const sessions = new Sessions();
  server.maxConnections = 2 * mostSessions;
  server.on('session', (session) => {
    session.on('error', (error) => log.debug({ err: error }, 'a connection to the Hubble API failed'));
    sessions.add(session);
  });
  server.on('sessionError', (error) => log.debug({ err: error }, 'a connection to the Hubble API failed'));
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => reject(listenError(name, cause)));
    server.listen(where, resolve);
  });
  server.on('error', (error) => log.warn({ err: error }, 'the Hubble API cannot take connections'));
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        sessions.destroy();
      }),
  };
}

function listenError(name: string, cause: Error): UserError {
  return new UserError('FLOW_LISTEN', `Cannot serve flows because the address cannot be listened on: ${name}: ${cause.message}`, {
    cure: 'Stop what listens there, or choose another address.',
    cause,
  });
}

/** Removes the socket of a process that is gone. */
async function takeSocket(path: string): Promise<void> {
  if (await answers(path)) throw listenError(path, new Error('another process answers on it'));
  await rm(path, { force: true });
}

async function secureServer(files: TlsFiles, handle: Handler): Promise<Http2SecureServer> {
  const [cert, key, ca] = await Promise.all([
    readPem(files.certFile),
    readPem(files.keyFile),
    files.clientCaFile === undefined ? undefined : readPem(files.clientCaFile),
  ]);
  return createSecureServer(
    {
      ...tlsOptions,
      cert,
      key,
      ...(ca === undefined ? {} : { ca, requestCert: true, rejectUnauthorized: true }),
    },
    handle,
  );
}

async function readPem(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new UserError('FILE_UNREADABLE', `Cannot serve flows with TLS because a file cannot be read: ${path}`, {
      cure: 'Name a file in PEM that this process may read.',
      cause,
      data: { path },
    });
  }
}

function addressText(address: AddressInfo | string | null): string | null {
  if (address === null || typeof address === 'string') return null;
  return address.family === 'IPv6' ? `[${address.address}]:${address.port}` : `${address.address}:${address.port}`;
}
