import { isIPv4 } from 'node:net';

/** A request with its body read, in the terms of httpbin's answers. */
export interface HttpbinRequest {
  readonly method: string;
  /** Percent-decoded path, without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** As they came: names and values in turn. */
  readonly rawHeaders: readonly string[];
  readonly url: string;
  readonly body: Buffer;
  /** Textual address of the other end of the connection. */
  readonly peer: string;
}

type Values = Readonly<Record<string, string | readonly string[]>>;

/** What proxies and platforms add, which httpbin leaves out of its answers unless asked with ?show_env. */
const environmentHeaders = new Set(
  'via x-varnish x-request-start x-heroku-queue-depth x-real-ip x-forwarded-proto x-forwarded-protocol x-forwarded-ssl x-heroku-queue-wait-time x-forwarded-for x-heroku-dynos-in-use x-forwarded-port x-request-id total-route-time connect-time'.split(
    ' ',
  ),
);

/** First value of a header, by its name in lower case; null where it is missing. */
export function header(request: HttpbinRequest, name: string): string | null {
  for (let index = 0; index < request.rawHeaders.length; index += 2) {
    if (request.rawHeaders[index]?.toLowerCase() === name) return request.rawHeaders[index + 1] ?? null;
  }
  return null;
}

/** The request's headers in the capitals of WSGI (`X-Request-Id`), sorted by name; repeated ones joined by a comma. */
export function headersOf(request: HttpbinRequest): Readonly<Record<string, string>> {
  const joined = new Map<string, string>();
  const all = request.query.has('show_env');
  for (let index = 0; index < request.rawHeaders.length; index += 2) {
    const lower = (request.rawHeaders[index] ?? '').toLowerCase();
    if (!all && environmentHeaders.has(lower)) continue;
    const name = lower.replace(/(^|-)[a-z]/g, (letters) => letters.toUpperCase());
    const value = request.rawHeaders[index + 1] ?? '';
    const before = joined.get(name);
    joined.set(name, before === undefined ? value : `${before},${value}`);
  }
  return sorted(joined);
}

/** The client: what X-Forwarded-For says, or the peer, an IPv4 one in its own form. */
export function originOf(request: HttpbinRequest): string {
  return header(request, 'x-forwarded-for') ?? plainAddress(request.peer);
}

function plainAddress(peer: string): string {
  const tail = peer.replace(/^::ffff:/i, '');
  return isIPv4(tail) ? tail : peer;
}

/** Query or form values: a string, or a list where a name is repeated. */
export function groupValues(pairs: Iterable<readonly [string, string]>): Values {
  const groups = new Map<string, string | string[]>();
  for (const [name, value] of pairs) {
    const before = groups.get(name);
    groups.set(name, before === undefined ? value : Array.isArray(before) ? [...before, value] : [before, value]);
  }
  return sorted(groups);
}

function sorted<T>(map: ReadonlyMap<string, T>): Readonly<Record<string, T>> {
  return Object.fromEntries([...map].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** What a body says, in httpbin's five fields. */
export interface BodyInfo {
  readonly data: string;
  readonly files: Values;
  readonly form: Values;
  readonly json: unknown;
}

/** Reads a body by its Content-Type: forms into `form` and `files`, everything else into `data`, and into `json` where it is JSON. */
export async function bodyOf(request: HttpbinRequest): Promise<BodyInfo> {
  const type = header(request, 'content-type') ?? '';
  if (/^(multipart\/form-data|application\/x-www-form-urlencoded)\b/i.test(type)) return readForm(request.body, type);
  return { data: textOrDataUrl(request.body), files: {}, form: {}, json: readJson(request.body) };
}

async function readForm(body: Buffer, type: string): Promise<BodyInfo> {
  const form: [string, string][] = [];
  const files: [string, string][] = [];
  try {
    const parsed = await new Response(body, { headers: { 'content-type': type } }).formData();
    for (const [name, value] of parsed) {
      if (typeof value === 'string') form.push([name, value]);
      else files.push([name, textOrDataUrl(Buffer.from(await value.arrayBuffer()))]);
    }
  } catch {
    // A body that breaks its own content type: httpbin shows an empty form.
    return { data: '', files: {}, form: {}, json: null };
  }
  return { data: '', files: groupValues(files), form: groupValues(form), json: null };
}

function readJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return null;
  }
}

function textOrDataUrl(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return `data:application/octet-stream;base64,${bytes.toString('base64')}`;
  }
}

/** Cookies of the request. */
export function cookiesOf(request: HttpbinRequest): Readonly<Record<string, string>> {
  const cookies = new Map<string, string>();
  for (const part of (header(request, 'cookie') ?? '').split(';')) {
    const equals = part.indexOf('=');
    if (equals > 0) cookies.set(part.slice(0, equals).trim(), part.slice(equals + 1).trim());
  }
  return sorted(cookies);
}
