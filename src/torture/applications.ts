import { join } from 'node:path';
import { projectRoot } from '../base/project.ts';
import { parseTranscript } from './native.ts';
import type { ServerPool } from './process.ts';
import { runProgram, startServer } from './process.ts';
import type { TortureCase } from './types.ts';

/** Protocols as real programs speak them: Node's sockets are non-blocking, edge-triggered, and read by read(). */
export function applicationCases(servers: ServerPool): readonly TortureCase[] {
  return protocols.map(([name, protocol, summary]) => speakerCase(servers, name, protocol, summary));
}

const protocols = [
  ['http-pipelining', 'http1', 'HTTP/1.1: 150 requests at once on one connection'],
  ['http2', 'http2', 'HTTP/2: 120 streams at once on one connection'],
  ['web-socket', 'web-socket', 'WebSocket: 120 messages and their echoes'],
  ['grpc-streaming', 'grpc', 'gRPC: a stream of 200 messages each way'],
  ['redis-protocol-own-server', 'resp', "Redis' protocol: a pipeline of 3,000 commands, to a small server of our own"],
] as const;

/** Starting Node takes as long as the whole case; a busy machine makes it long. */
const startPatience = 20;

function speakerCase(servers: ServerPool, name: string, protocol: string, summary: string): TortureCase {
  const speaker = join(projectRoot(), 'dist', 'torture-speaker.mjs');
  return {
    name,
    summary,
    direct: 'must',
    proxied: 'must',
    heavy: true,
    missing: null,
    run: async ({ client, server, address, seed, patience, signal }) => {
      const listener = await servers.get(`${server} ${address} ${protocol}`, () =>
        startServer([process.execPath, speaker, 'serve', protocol, address], { netns: server, signal, patience: startPatience }),
      );
      const args = ['speak', protocol, address, listener.greeting, String(seed)];
      const ran = await runProgram([process.execPath, speaker, ...args], { netns: client, signal, patience: patience + startPatience });
      return parseTranscript(ran.stdout + ran.stderr, ran.status);
    },
  };
}
