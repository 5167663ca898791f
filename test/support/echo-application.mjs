// An application for tests: `node echo-application.mjs ADDRESS SPEC…`, where SPEC is http:PORT, echo:PORT or greeting:PORT.
// http answers with what it saw, as JSON; echo answers each piece of data with `REMOTE DATA`; greeting speaks first, then echoes.
import { createServer as createHttpServer } from 'node:http';
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
    return new Promise((resolve) => create(kind).listen(Number(port), address, resolve));
  }),
);
process.stdout.write('listening\n');
