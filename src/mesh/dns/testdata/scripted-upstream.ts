import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { decode, encode } from 'dns-packet';
import type { Upstream } from '../forward.ts';
import { frame, StreamReader } from '../framing.ts';

/** What the upstream server does with a question; `null`: says nothing. Several messages are sent one after the other. */
export type Script = (query: Buffer, transport: 'udp' | 'tcp') => readonly Buffer[];

export interface ScriptedUpstream extends Upstream, AsyncDisposable {
  /** The transports over which it was asked, in order. */
  readonly asked: readonly ('udp' | 'tcp')[];
}

/** A name server on loopback, UDP and TCP on one port, that answers as a test tells it. */
export async function scriptedUpstream(script: Script): Promise<ScriptedUpstream> {
  const asked: ('udp' | 'tcp')[] = [];
  const tcp = createServer((socket) => {
    const reader = new StreamReader();
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk) => {
      for (const query of reader.push(chunk)) {
        asked.push('tcp');
        for (const answer of script(query, 'tcp')) socket.write(frame(answer));
      }
    });
  });
  tcp.listen(0, '127.0.0.1');
  await once(tcp, 'listening');
  const address = tcp.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const udp = createSocket('udp4');
  udp.on('message', (query, client) => {
    asked.push('udp');
    for (const answer of script(query, 'udp')) udp.send(answer, client.port, client.address);
  });
  udp.bind(address.port, '127.0.0.1');
  await once(udp, 'listening');
  return {
    address: '127.0.0.1',
    port: address.port,
    asked,
    [Symbol.asyncDispose]: async () => {
      udp.close();
      tcp.close();
    },
  };
}

/** A response to a question: one A record, or a code without records. */
export function reply(query: Buffer, result: { readonly address: string } | { readonly rcode: number }): Buffer {
  const { id = 0, questions = [] } = decode(query);
  const [question] = questions;
  if (question === undefined) throw new Error('no question');
  const answers = 'address' in result ? [{ type: 'A' as const, name: question.name, ttl: 60, data: result.address }] : [];
  return encode({ type: 'response', id, flags: 0x0180 | ('rcode' in result ? result.rcode : 0), questions, answers });
}

/** The same message with its truncation bit set. */
export function truncated(message: Buffer): Buffer {
  const copy = Buffer.from(message);
  copy.writeUInt16BE(copy.readUInt16BE(2) | 0x0200, 2);
  return copy;
}
