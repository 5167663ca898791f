import type { AddressInfo, Server, Socket } from 'node:net';
import { createServer } from 'node:net';

/** Kafka's request of a client that wants to know what a broker can do, the only one that this one can answer. */
const apiVersions = 18;
const largest = 64 * 1024;

export interface Broker {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Listens as the outside of a cluster does, and answers what a Kafka client says first (ApiVersions, version 0, which every broker answers to) with the one
 * request that it knows. Whatever else is said ends the connection. Rejects where it cannot listen.
 */
export async function startBroker(address: string, port: number): Promise<Broker> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    serve(socket);
  });
  await listen(server, address, port);
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, resolve);
  });
}

function serve(socket: Socket): void {
  let rest = Buffer.alloc(0);
  socket.on('data', (data) => {
    rest = Buffer.concat([rest, data]);
    while (rest.length >= 4) {
      const size = rest.readInt32BE(0);
      if (size < 8 || size > largest) return void socket.destroy();
      if (rest.length < 4 + size) return;
      const answer = answerTo(rest.subarray(4, 4 + size));
      rest = rest.subarray(4 + size);
      if (answer === null) return void socket.destroy();
      socket.write(answer);
    }
  });
}

/** A request is its kind, the kind's version and a number that the answer repeats. */
function answerTo(request: Buffer): Buffer | null {
  if (request.readInt16BE(0) !== apiVersions) return null;
  const bytes = Buffer.alloc(20);
  bytes.writeInt32BE(bytes.length - 4, 0);
  bytes.writeInt32BE(request.readInt32BE(4), 4);
  // no error; one kind of request, in its versions 0 to 0
  bytes.writeInt32BE(1, 10);
  bytes.writeInt16BE(apiVersions, 14);
  return bytes;
}
