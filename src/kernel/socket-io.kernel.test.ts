import { afterEach, describe, expect, it } from 'vitest';
import { connectByWorker, hasIoUring } from './io-uring.ts';
import { closeFd } from './libc.ts';
import { pollEvents } from './poller.ts';
import type { SocketAddress } from './sockaddr.ts';
import { acceptSocket, passDescriptor, receiveBytes, sendBytes, shutdownWrite, waitForSockets } from './socket-io.ts';
import { connectSocket, localAddress, openSocket, peerAddress, resetOnClose, setSocketBlocking } from './sockets.ts';

const anywhere: SocketAddress = { address: Uint8Array.of(127, 0, 0, 1), port: 0 };
const open: number[] = [];

afterEach(() => {
  for (const fd of open.splice(0)) closeFd(fd);
});

function kept(fd: number): number {
  open.push(fd);
  return fd;
}

function addressOf(fd: number): SocketAddress {
  const address = localAddress(fd);
  if (address === null) throw new Error('a socket without a name');
  return address;
}

function listener(): number {
  return kept(openSocket({ family: 4, type: 'tcp', bind: anywhere, listen: 4 }));
}

/** Both ends of a connection over loopback. */
function connected(): { readonly client: number; readonly server: number } {
  const at = listener();
  const client = kept(openSocket({ family: 4, type: 'tcp', connect: addressOf(at) }));
  expect(waitForSockets([at], pollEvents.readable, 1000)).toEqual([at]);
  const server = acceptSocket(at);
  if (server === null) throw new Error('nobody waits');
  return { client, server: kept(server) };
}

describe('waitForSockets()', () => {
  it('names the ready ones, and none when time is over', () => {
    const [one, other] = [listener(), listener()];
    expect(waitForSockets([one, other], pollEvents.readable, 1)).toEqual([]);
    kept(openSocket({ family: 4, type: 'tcp', connect: addressOf(other) }));
    expect(waitForSockets([one, other], pollEvents.readable, 1000)).toEqual([other]);
  });
});

describe('streams', () => {
  it('acceptSocket() and receiveBytes() answer null when there is nothing', () => {
    expect(acceptSocket(listener())).toBeNull();
    expect(receiveBytes(connected().client)).toBeNull();
  });

  it('shutdownWrite() ends one direction only', () => {
    const { client, server } = connected();
    shutdownWrite(client);
    waitForSockets([server], pollEvents.readable, 1000);
    expect(receiveBytes(server)?.data).toHaveLength(0);
    expect(sendBytes(server, Buffer.from('after'))).toBe(5);
    waitForSockets([client], pollEvents.readable, 1000);
    expect(receiveBytes(client)?.data.toString()).toBe('after');
  });

  it('resetOnClose() makes the peer see a reset', () => {
    const at = listener();
    const client = openSocket({ family: 4, type: 'tcp', connect: addressOf(at) });
    waitForSockets([at], pollEvents.readable, 1000);
    const server = kept(acceptSocket(at) ?? -1);
    resetOnClose(client);
    closeFd(client);
    waitForSockets([server], pollEvents.readable, 1000);
    expect(() => receiveBytes(server)).toThrow('ECONNRESET');
  });

  it('setSocketBlocking() lets connect() wait for its answer', () => {
    const fd = kept(openSocket({ family: 4, type: 'tcp' }));
    setSocketBlocking(fd, 1000);
    connectSocket(fd, addressOf(listener()));
    expect(peerAddress(fd)).not.toBeNull();
  });
});

describe('datagrams', () => {
  it('sendBytes() and receiveBytes() carry the addresses', () => {
    const [one, other] = [1, 2].map(() => kept(openSocket({ family: 4, type: 'udp', bind: anywhere })));
    if (one === undefined || other === undefined) throw new Error('no sockets');
    sendBytes(one, Buffer.from('hello'), { to: addressOf(other) });
    waitForSockets([other], pollEvents.readable, 1000);
    expect(receiveBytes(other)).toEqual({ data: Buffer.from('hello'), from: addressOf(one) });
  });
});

describe('passDescriptor()', () => {
  it('gives another descriptor of the same socket', () => {
    const { client, server } = connected();
    const copy = passDescriptor(client);
    expect(copy).not.toBe(client);
    sendBytes(copy, Buffer.from('by the copy'));
    closeFd(copy);
    waitForSockets([server], pollEvents.readable, 1000);
    expect(receiveBytes(server)?.data.toString()).toBe('by the copy');
  });
});

describe('connectByWorker()', () => {
  it('connects, or throws what the connection met', () => {
    expect(hasIoUring()).toBe(true);
    const at = addressOf(listener());
    const fd = kept(openSocket({ family: 4, type: 'tcp' }));
    connectByWorker(fd, at, 1000);
    expect(peerAddress(fd)).toEqual(at);
    const nobody = kept(openSocket({ family: 4, type: 'tcp', bind: anywhere }));
    expect(() => connectByWorker(kept(openSocket({ family: 4, type: 'tcp' })), addressOf(nobody), 1000)).toThrow('ECONNREFUSED');
  });
});
