// An application for tests: `node echo-application.mjs ADDRESS SPEC…`, where SPEC is http:PORT, h2c:PORT, echo:PORT or greeting:PORT.
// http and h2c (HTTP/2 without TLS) answer with what they saw, as JSON; echo answers each piece of data with `REMOTE DATA`; greeting speaks first, then echoes.
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import { createServer } from 'node:net';

const [address, ...specs] = process.argv.slice(2);

/** @type {Readonly<Record<string, () => import('node:net').Server>>} */
const kinds = {
  http: () =>
    createHttpServer((request, response) => {
      const seen = {
        method: request.method,
        path: request.url,
        remote: request.socket.remoteAddress?.replace('::ffff:', ''),
        version: request.httpVersion,
        headers: request.headers,
      };
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(seen));
    }),
  h2c: () =>
    createHttp2Server((request, response) => {
      response.end(
        JSON.stringify({
          remote: request.socket.remoteAddress?.replace('::ffff:', ''),
          version: request.httpVersion,
          headers: request.headers,
        }),
      );
    }),
  echo: () =>
    createServer((socket) =>
      socket.on('data', (data) => socket.write(`${socket.remoteAddress?.replace('::ffff:', '')} ${data}`)).on('error', () => {}),
    ),
  greeting: () =>
    createServer((socket) => {
      socket.write('welcome\n');
      socket.on('data', (data) => socket.write(data)).on('error', () => {});
    }),
};

/** @param {string} kind */
function create(kind) {
  const make = kinds[kind];
  if (make === undefined) throw new Error(`no such kind: ${kind}`);
  return make();
}

await Promise.all(
  specs.map((spec) => {
    const [kind = '', port] = spec.split(':');
    return new Promise((resolve) => create(kind).listen(Number(port), address, () => resolve(undefined)));
  }),
);
process.stdout.write('listening\n');
