import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import type { Protocol, Random } from './types.ts';
import { listenOn } from './types.ts';

const messages = 120;
const key = 'dGhlIHNhbXBsZSBub25jZQ==';
/** Of RFC 6455, section 1.3. */
const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
const binary = 0x82;
const closing = 0x88;

/** WebSocket (RFC 6455): masked messages of random size one way, their echo the other way, a close handshake. */
export const webSocket: Protocol = {
  serve: (address) => {
    const server = createServer((_request, response) => response.writeHead(426).end());
    server.on('upgrade', (_request, socket: Socket, head) => {
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: ${accept}\r\n\r\n`,
      );
      onFrames(socket, head, (opcode, payload) => {
        socket.write(frame(opcode, payload, null));
        if (opcode === closing) socket.end();
      });
      // the other side may go first
      socket.on('error', () => socket.destroy());
    });
    return listenOn(server, address);
  },
  speak: async (address, port, random) => {
    const socket = connect({ host: address, port });
    socket.write(
      `GET / HTTP/1.1\r\nhost: torture\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-key: ${key}\r\nsec-websocket-version: 13\r\n\r\n`,
    );
    const rest = await handshake(socket);
    const sent = Array.from({ length: messages }, () => random.bytes(random.between(0, 40_000)));
    const echoes: Buffer[] = [];
    const closed = once(socket, 'end');
    onFrames(socket, rest, (opcode, payload) => {
      if (opcode === binary) echoes.push(payload);
    });
    for (const message of sent) socket.write(frame(binary, message, maskOf(random)));
    socket.write(frame(closing, Buffer.from([3, 232]), maskOf(random)));
    await closed;
    const right = sent.every((message, index) => echoes[index]?.equals(message));
    if (!right || echoes.length !== messages) throw new Error(`${echoes.length} echoes of ${messages}, or other ones`);
    return [`${messages} messages and their echoes, then the close`];
  },
};

function maskOf(random: Random): Buffer {
  return random.bytes(4);
}

async function handshake(socket: Socket): Promise<Buffer> {
  let got = Buffer.alloc(0);
  while (!got.includes('\r\n\r\n')) {
    const [part] = (await once(socket, 'data')) as [Buffer];
    got = Buffer.concat([got, part]);
  }
  const end = got.indexOf('\r\n\r\n') + 4;
  if (!got.toString('latin1', 0, end).includes(accept)) throw new Error('the upgrade was refused');
  return got.subarray(end);
}

function frame(opcode: number, payload: Buffer, mask: Buffer | null): Buffer {
  const masked = mask === null ? 0 : 0x80;
  const head =
    payload.length < 126
      ? Buffer.from([opcode, masked | payload.length])
      : Buffer.from([opcode, masked | 126, payload.length >> 8, payload.length & 255]);
  return Buffer.concat([head, mask ?? Buffer.alloc(0), mask === null ? payload : unmask(payload, mask)]);
}

function unmask(payload: Buffer, mask: Buffer): Buffer {
  return Buffer.from(payload.map((byte, index) => byte ^ (mask[index % 4] ?? 0)));
}

/** Calls back for every whole frame; none is longer than 65,535 bytes. */
function onFrames(socket: Socket, first: Buffer, receive: (opcode: number, payload: Buffer) => void): void {
  let pending = first;
  const parse = (): void => {
    for (;;) {
      const second = pending[1];
      if (second === undefined) return;
      const long = (second & 127) === 126;
      const head = (long ? 4 : 2) + (second & 0x80 ? 4 : 0);
      if (pending.length < head) return;
      const length = long ? pending.readUInt16BE(2) : second & 127;
      if (pending.length < head + length) return;
      const payload = pending.subarray(head, head + length);
      receive(pending[0] ?? 0, second & 0x80 ? unmask(payload, pending.subarray(head - 4, head)) : Buffer.from(payload));
      pending = pending.subarray(head + length);
    }
  };
  parse();
  socket.on('data', (part: Buffer) => {
    pending = Buffer.concat([pending, part]);
    parse();
  });
}
