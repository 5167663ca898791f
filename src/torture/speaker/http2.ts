import { once } from 'node:events';
import type { ClientHttp2Session } from 'node:http2';
import { connect, createServer } from 'node:http2';
import type { Protocol } from './types.ts';
import { listenOn } from './types.ts';

const streams = 120;

/** HTTP/2 without TLS: many streams at once on one connection, each with a body that comes back. */
export const http2: Protocol = {
  serve: (address) => {
    const server = createServer({ settings: { maxConcurrentStreams: 200 } });
    server.on('stream', (stream) => {
      stream.respond({ ':status': 200 });
      stream.pipe(stream);
    });
    return listenOn(server, address);
  },
  speak: async (address, port, random) => {
    const host = address.includes(':') ? `[${address}]` : address;
    const session = connect(`http://${host}:${port}`);
    const bodies = Array.from({ length: streams }, () => random.bytes(random.between(1, 60_000)));
    await Promise.all(bodies.map((body, index) => echo(session, index, body)));
    session.close();
    await once(session, 'close');
    return [`${streams} streams, ${bodies.reduce((sum, { length }) => sum + length, 0)} bytes each way`];
  },
};

async function echo(session: ClientHttp2Session, index: number, body: Buffer): Promise<void> {
  const stream = session.request({ ':method': 'POST', ':path': `/${index}` });
  stream.end(body);
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part as Buffer);
  const got = Buffer.concat(parts);
  if (!got.equals(body)) throw new Error(`stream ${index} brought back ${got.length} bytes of ${body.length}, or other ones`);
}
