import { once } from 'node:events';
import { connect } from 'node:net';
import { stderr, stdout } from 'node:process';
import { grpc } from './grpc.ts';
import { http1 } from './http1.ts';
import { http2 } from './http2.ts';
import { resp } from './resp.ts';
import type { Protocol } from './types.ts';
import { randomOf } from './types.ts';
import { webSocket } from './websocket.ts';

const protocols: Readonly<Record<string, Protocol>> = { http1, http2, 'web-socket': webSocket, grpc, resp };

/**
 * A short connection before the one that counts: how a listener's connections are read is learned from the first one that was accepted and
 * answered. Every server here says something to whoever says this.
 */
async function sayHello(host: string, port: number): Promise<void> {
  const socket = connect({ host, port });
  socket.write('GET / HTTP/1.1\r\nhost: torture\r\n\r\n');
  await once(socket, 'data');
  socket.destroy();
}

/** serve PROTOCOL ADDRESS: prints the port. speak PROTOCOL ADDRESS PORT SEED: prints what it has seen. */
async function main([role, name, address, port, seed]: readonly string[]): Promise<void> {
  const protocol = protocols[name ?? ''];
  if (protocol === undefined || address === undefined) throw new Error(`unknown protocol: ${name}`);
  if (role === 'serve') {
    stdout.write(`${await protocol.serve(address)}\n`);
    return;
  }
  await sayHello(address, Number(port));
  const lines = await protocol.speak(address, Number(port), randomOf(Number(seed)));
  for (const line of lines) stdout.write(`-${line}\n`);
}

main(process.argv.slice(2)).catch((error: unknown) => {
  stderr.write(`!${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
