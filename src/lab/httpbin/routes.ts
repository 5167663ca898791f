import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Reply } from './replies.ts';
import { isLegalHeader, json, page, randomBytes, redirect, streamOf } from './replies.ts';
import type { HttpbinRequest } from './request-info.ts';
import { bodyOf, cookiesOf, groupValues, header, headersOf, originOf } from './request-info.ts';
import { statusReply } from './status.ts';

/** Limits of httpbin, which keep a request from costing much. */
const maxDelaySeconds = 10;
const maxBytes = 100 * 1024;
const maxLines = 100;

/** One endpoint. HEAD goes with GET, and OPTIONS is answered from `methods`. */
export interface Route {
  /** For the index page. */
  readonly path: string;
  /** Its groups are the arguments of `handle`, percent-decoded. */
  readonly pattern: RegExp;
  readonly methods: readonly string[];
  /** `signal` aborts when the client is gone. */
  handle(request: HttpbinRequest, args: readonly string[], signal: AbortSignal): Reply | Promise<Reply>;
}

const everyMethod = ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'TRACE'];

function basics(request: HttpbinRequest) {
  return { args: groupValues(request.query), headers: headersOf(request), origin: originOf(request), url: request.url };
}

async function withBody(request: HttpbinRequest) {
  const { args, headers, origin, url } = basics(request);
  const { data, files, form, json: parsed } = await bodyOf(request);
  return { args, data, files, form, headers, json: parsed, origin, url };
}

function echo(method: string): Route {
  const path = `/${method.toLowerCase()}`;
  return { path, pattern: new RegExp(`^${path}$`), methods: [method], handle: async (request) => json(await withBody(request)) };
}

/** A whole number between 0 and `most`: more is cut down to it, as httpbin does. Null: not a number. */
function bounded(text: string | null | undefined, most: number): number | null {
  return text !== null && text !== undefined && /^[0-9]{1,9}$/.test(text) ? Math.min(Number(text), most) : null;
}

const notANumber = page(400, 'The number in the path or query is not one.');

/** Every endpoint but the index; the first whose pattern matches serves. */
export const routes: readonly Route[] = [
  { path: '/ip', pattern: /^\/ip$/, methods: ['GET'], handle: (request) => json({ origin: originOf(request) }) },
  { path: '/headers', pattern: /^\/headers$/, methods: ['GET'], handle: (request) => json({ headers: headersOf(request) }) },
  {
    path: '/user-agent',
    pattern: /^\/user-agent$/,
    methods: ['GET'],
    handle: (request) => json({ 'user-agent': header(request, 'user-agent') }),
  },
  { path: '/uuid', pattern: /^\/uuid$/, methods: ['GET'], handle: () => json({ uuid: randomUUID() }) },
  { path: '/get', pattern: /^\/get$/, methods: ['GET'], handle: (request) => json(basics(request)) },
  ...['POST', 'PUT', 'DELETE', 'PATCH'].map(echo),
  {
    path: '/anything[/…]',
    pattern: /^\/anything(?:\/.*)?$/s,
    methods: everyMethod,
    handle: async (request) => {
      const { origin, url, ...rest } = await withBody(request);
      return json({ ...rest, method: request.method, origin, url });
    },
  },
  {
    path: '/status/{codes}',
    pattern: /^\/status\/([^/]+)$/,
    methods: everyMethod,
    handle: (_request, [codes = '']) => statusReply(codes, Math.random()),
  },
  {
    path: '/delay/{seconds}',
    pattern: /^\/delay\/([^/]+)$/,
    methods: everyMethod,
    handle: async (request, [text = ''], signal) => {
      const seconds = /^[0-9]+(\.[0-9]+)?$/.test(text) ? Math.min(Number(text), maxDelaySeconds) : null;
      if (seconds === null) return notANumber;
      await sleep(seconds * 1000, undefined, { signal });
      const { json: _json, ...rest } = await withBody(request);
      return json(rest);
    },
  },
  {
    path: '/bytes/{count}?seed=',
    pattern: /^\/bytes\/([^/]+)$/,
    methods: ['GET'],
    handle: (request, [text]) => {
      const count = bounded(text, maxBytes);
      if (count === null) return notANumber;
      const body = Buffer.concat([...randomBytes(count, bounded(request.query.get('seed'), 2 ** 32 - 1), maxBytes)]);
      return { status: 200, headers: [['Content-Type', 'application/octet-stream']], body };
    },
  },
  {
    path: '/stream-bytes/{count}?seed=&chunk_size=',
    pattern: /^\/stream-bytes\/([^/]+)$/,
    methods: ['GET'],
    handle: (request, [text]) => {
      const count = bounded(text, maxBytes);
      if (count === null) return notANumber;
      const chunkSize = Math.max(1, bounded(request.query.get('chunk_size'), maxBytes) ?? 10 * 1024);
      const body = streamOf(randomBytes(count, bounded(request.query.get('seed'), 2 ** 32 - 1), chunkSize));
      return { status: 200, headers: [['Content-Type', 'application/octet-stream']], body };
    },
  },
  {
    path: '/stream/{lines}',
    pattern: /^\/stream\/([^/]+)$/,
    methods: ['GET'],
    handle: (request, [text]) => {
      const count = bounded(text, maxLines);
      if (count === null) return notANumber;
      const lines = Array.from({ length: count }, (_, id) => `${JSON.stringify({ ...basics(request), id })}\n`);
      return { status: 200, headers: [['Content-Type', 'application/json']], body: streamOf(lines) };
    },
  },
  {
    path: '/redirect/{times}',
    pattern: /^\/redirect\/([^/]+)$/,
    methods: ['GET'],
    handle: (_request, [text]) => {
      const times = bounded(text, 100);
      if (times === null || times === 0) return notANumber;
      return redirect(times === 1 ? '/get' : `/redirect/${times - 1}`);
    },
  },
  {
    path: '/redirect-to?url=&status_code=',
    pattern: /^\/redirect-to$/,
    methods: everyMethod,
    handle: async (request) => {
      const { form } = await bodyOf(request);
      const parameter = (name: string) => request.query.get(name) ?? (typeof form[name] === 'string' ? form[name] : null);
      const url = parameter('url');
      if (url === null || !isLegalHeader('Location', url)) return page(400, 'The parameter url is missing or is not one.');
      const status = bounded(parameter('status_code'), 999);
      return redirect(url, status !== null && status >= 300 && status < 400 ? status : 302);
    },
  },
  { path: '/response-headers?NAME=VALUE', pattern: /^\/response-headers$/, methods: ['GET', 'POST'], handle: responseHeaders },
  { path: '/cookies', pattern: /^\/cookies$/, methods: ['GET'], handle: (request) => json({ cookies: cookiesOf(request) }) },
  {
    path: '/cookies/set?NAME=VALUE',
    pattern: /^\/cookies\/set$/,
    methods: ['GET'],
    handle: (request) => setCookies([...request.query].map(([name, value]) => `${name}=${value}; Path=/`)),
  },
  {
    path: '/cookies/delete?NAME',
    pattern: /^\/cookies\/delete$/,
    methods: ['GET'],
    handle: (request) =>
      setCookies([...request.query.keys()].map((name) => `${name}=; Expires=Thu, 01-Jan-1970 00:00:00 GMT; Max-Age=0; Path=/`)),
  },
];

function setCookies(cookies: readonly string[]): Reply {
  if (!cookies.every((cookie) => isLegalHeader('Set-Cookie', cookie)))
    return page(400, 'A cookie has a character that headers cannot carry.');
  return redirect(
    '/cookies',
    302,
    cookies.map((cookie) => ['Set-Cookie', cookie] as const),
  );
}

/** Headers that frame the message are the server's own. */
const framing = new Set(['content-length', 'transfer-encoding', 'connection', 'keep-alive', 'upgrade', 'trailer', 'date']);

function responseHeaders(request: HttpbinRequest): Reply {
  const asked = [...request.query].filter(([name]) => !framing.has(name.toLowerCase()));
  if (!asked.every(([name, value]) => isLegalHeader(name, value)))
    return page(400, 'A header has a name or a value that HTTP does not allow.');
  const hasType = asked.some(([name]) => name.toLowerCase() === 'content-type');
  const headers: (readonly [string, string])[] = hasType ? asked : [['Content-Type', 'application/json'], ...asked];
  // The body names its own length, and the length depends on how many digits that takes.
  let body = '';
  for (let length = -1; length !== Buffer.byteLength(body); ) {
    length = Buffer.byteLength(body);
    body = String(json(groupValues([['Content-Length', String(length)], ...headers])).body);
  }
  return { status: 200, headers, body };
}
