import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import type { Protocol } from './types.ts';
import { listenOn } from './types.ts';

const requests = 150;

/** HTTP/1.1 pipelining: all requests are written at once, and their answers come in order. */
export const http1: Protocol = {
  serve: (address) => {
    const server = createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        const body = Buffer.concat(parts);
        response.writeHead(200, { 'content-length': body.length, 'x-path': request.url ?? '' });
        response.end(body.reverse());
      });
    });
    server.maxRequestsPerSocket = 0;
    return listenOn(server, address);
  },
  speak: async (address, port, random) => {
    const bodies = Array.from({ length: requests }, () => random.bytes(random.between(0, 1) * random.between(1, 30_000)));
    const socket = connect({ host: address, port });
    for (const [index, body] of bodies.entries()) {
      const last = index === requests - 1 ? 'connection: close\r\n' : '';
      socket.write(`POST /${index} HTTP/1.1\r\nhost: torture\r\n${last}content-length: ${body.length}\r\n\r\n`);
      socket.write(body);
    }
    const parts: Buffer[] = [];
    for await (const part of socket) parts.push(part as Buffer);
    checkAnswers(Buffer.concat(parts), bodies);
    return [`${requests} answers in order`, createHash('sha256').update(Buffer.concat(bodies)).digest('hex')];
  },
};

function checkAnswers(all: Buffer, bodies: readonly Buffer[]): void {
  let at = 0;
  for (const [index, body] of bodies.entries()) {
    const end = all.indexOf('\r\n\r\n', at);
    const head = all.toString('latin1', at, end);
    if (end < 0 || !head.startsWith('HTTP/1.1 200') || !new RegExp(`^x-path: /${index}\\r?$`, 'im').test(head)) {
      throw new Error(`answer ${index} of ${bodies.length} at byte ${at} of ${all.length} is not one: ${head.slice(0, 100)}`);
    }
    at = end + 4 + body.length;
    if (
      !Buffer.from(all.subarray(end + 4, at))
        .reverse()
        .equals(body)
    )
      throw new Error(`the body of answer ${index} is not what was asked for`);
  }
  if (at !== all.length) throw new Error(`${all.length - at} bytes follow the last answer`);
}
