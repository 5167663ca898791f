import { chmod, rm } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import { MillraceError, UserError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { answers } from './sockets.ts';
import type { ApiError } from './types.ts';

/** Answers one call: the JSON value to send, or null for an empty body. Throwing a UserError answers 400, anything else 500. */
export type Route = (call: { readonly body: unknown; readonly parameter: string }) => Promise<unknown>;

export interface UnixServer {
  close(): Promise<void>;
}

const bodyLimit = 32 * 1024 * 1024;

/**
 * Serves JSON over HTTP on a unix socket of mode 0600. `routes` is keyed `METHOD /path`; a path that ends in `/` takes the rest, percent-decoded,
 * as its parameter. A socket that nobody answers on is taken over; one that somebody answers on is UserError `running`.
 */
export async function serveUnixSocket(options: {
  socketPath: string;
  routes: Readonly<Record<string, Route>>;
  running: UserError;
  log: Logger;
}): Promise<UnixServer> {
  if (await answers(options.socketPath)) throw options.running;
  await rm(options.socketPath, { force: true });
  const server = createServer((request, response) => {
    void handle(options.routes, request, response, options.log);
  });
  server.keepAliveTimeout = 0;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.socketPath, resolve);
  });
  await chmod(options.socketPath, 0o600);
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function handle(
  routes: Readonly<Record<string, Route>>,
  request: IncomingMessage,
  response: ServerResponse,
  log: Logger,
): Promise<void> {
  try {
    const found = match(routes, request.method ?? 'GET', (request.url ?? '/').split('?')[0] ?? '/');
    if (found === null) {
      send(response, 404, {
        code: 'USAGE',
        message: `no such route: ${request.method} ${request.url}`,
        cure: null,
        command: null,
      } satisfies ApiError);
      return;
    }
    // no name for the text: it would be kept until the route is done
    const answer = await found.route({ body: parsed(await readBody(request)), parameter: found.parameter });
    send(response, 200, answer);
  } catch (error) {
    if (!(error instanceof UserError)) log.error({ err: error }, 'a call of the local API failed');
    const code = error instanceof MillraceError ? error.code : 'SYS';
    const message = error instanceof Error ? error.message : String(error);
    send(response, error instanceof UserError ? 400 : 500, {
      code,
      message,
      cure: error instanceof UserError ? error.cure : null,
      command: error instanceof UserError ? error.command : null,
    } satisfies ApiError);
  }
}

function match(routes: Readonly<Record<string, Route>>, method: string, path: string): { route: Route; parameter: string } | null {
  const exact = routes[`${method} ${path}`];
  if (exact !== undefined) return { route: exact, parameter: '' };
  const slash = path.lastIndexOf('/');
  const prefix = routes[`${method} ${path.slice(0, slash + 1)}`];
  return prefix === undefined ? null : { route: prefix, parameter: decoded(path.slice(slash + 1)) };
}

function decoded(parameter: string): string {
  try {
    return decodeURIComponent(parameter);
  } catch (cause) {
    throw new UserError(
      'USAGE',
      `Cannot read the call because its path is not percent-encoded UTF-8: current value ${JSON.stringify(parameter)}`,
      {
        cure: 'Encode the name, as encodeURIComponent() does.',
        cause,
      },
    );
  }
}

function parsed(text: string): unknown {
  try {
    return text === '' ? undefined : JSON.parse(text);
  } catch (cause) {
    throw new UserError('USAGE', `Cannot read the call because its body is not JSON: ${String(cause)}`, {
      cure: 'Send JSON, or no body.',
      cause,
    });
  }
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > bodyLimit)
      throw new UserError('USAGE', `Cannot read the call because its body is too large: over ${bodyLimit} bytes`, {
        cure: 'Send less at once.',
      });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function send(response: ServerResponse, status: number, body: unknown): void {
  const text = body === undefined || body === null ? '' : JSON.stringify(body);
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text), connection: 'close' });
  response.end(text);
}
