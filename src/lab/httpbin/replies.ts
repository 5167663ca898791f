import { STATUS_CODES, validateHeaderName, validateHeaderValue } from 'node:http';
import { Readable } from 'node:stream';

/** What a route answers. */
export interface Reply {
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
  /** A stream is sent in chunks. */
  readonly body: string | Buffer | Readable;
}

/** JSON as httpbin writes it: indented by two, a line break at the end. */
export function json(value: unknown, status = 200): Reply {
  return { status, headers: [['Content-Type', 'application/json']], body: `${JSON.stringify(value, null, 2)}\n` };
}

/** A small HTML page with the status as its title, for errors. */
export function page(status: number, text: string, headers: Reply['headers'] = []): Reply {
  const title = `${status} ${STATUS_CODES[status] ?? 'Unknown'}`;
  return {
    status,
    headers: [['Content-Type', 'text/html; charset=utf-8'], ...headers],
    body: `<!doctype html>\n<title>${title}</title>\n<h1>${title}</h1>\n<p>${text}</p>\n`,
  };
}

/** A redirection. `location` must be a legal header value. */
export function redirect(location: string, status = 302, headers: Reply['headers'] = []): Reply {
  return page(status, 'The resource is elsewhere: see the Location header.', [['Location', location], ...headers]);
}

/** Whether Node would send this header; a value with a line break would end in an exception instead of an answer. */
export function isLegalHeader(name: string, value: string): boolean {
  try {
    validateHeaderName(name);
    validateHeaderValue(name, value);
    return true;
  } catch {
    return false;
  }
}

/** `count` bytes; the same ones for the same seed. Null: another sequence each time. Not for secrets. */
export function* randomBytes(count: number, seed: number | null, chunkSize: number): Generator<Buffer> {
  // mulberry32
  let state = (seed ?? Math.floor(Math.random() * 2 ** 32)) >>> 0;
  for (let sent = 0; sent < count; sent += chunkSize) {
    const chunk = Buffer.alloc(Math.min(chunkSize, count - sent));
    for (let index = 0; index < chunk.length; index++) {
      state = (state + 0x6d2b79f5) >>> 0;
      let mixed = Math.imul(state ^ (state >>> 15), state | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      chunk[index] = (mixed ^ (mixed >>> 14)) & 0xff;
    }
    yield chunk;
  }
}

/** A stream of what a generator yields, pulled as fast as the client reads. */
export function streamOf(chunks: Iterable<string | Buffer>): Readable {
  return Readable.from(chunks, { objectMode: false });
}
