import { spawn } from 'node:child_process';
import { closeSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { closeFd, duplicateFd, libc } from './libc.ts';
import { pidfdOpen } from './pidfd.ts';
import { FdPoller, pollEvents } from './poller.ts';
import { localAddress, openSocket } from './sockets.ts';

const loopback = Uint8Array.of(127, 0, 0, 1);

/** A UDP socket and a function that makes it readable. */
function readableSocket(): { fd: number; send: () => void; receive: () => void } {
  const fd = openSocket({ family: 4, type: 'udp', bind: { address: loopback, port: 0 } });
  const sender = openSocket({ family: 4, type: 'udp', connect: { address: loopback, port: localAddress(fd)?.port ?? 0 } });
  return {
    fd,
    send: () => expect(libc().send(sender, Buffer.from('x'), 1, 0)).toBe(1),
    receive: () => expect(libc().recv(fd, Buffer.alloc(8), 8, 0)).toBe(1),
  };
}

test('add() calls back while the descriptor is readable, and no more once it is removed', async () => {
  using poller = new FdPoller();
  const socket = readableSocket();
  const seen: number[] = [];
  const remove = poller.add(socket.fd, (events) => {
    seen.push(events);
    if (seen.length === 3) socket.receive();
  });
  socket.send();
  await expect.poll(() => seen.length).toBe(3);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(seen).toEqual([pollEvents.readable, pollEvents.readable, pollEvents.readable]);
  remove();
  remove();
  socket.send();
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(seen).toHaveLength(3);
  closeFd(socket.fd);
});

test('add() throws in place of killing the process when the descriptor is registered, a plain file, or closed', () => {
  using poller = new FdPoller();
  const socket = readableSocket();
  poller.add(socket.fd, () => undefined);
  expect(() => poller.add(socket.fd, () => undefined)).toThrow(expect.objectContaining({ errno: 'EEXIST' }));
  const path = join(tmpdir(), `millrace-poller-${process.pid}`);
  writeFileSync(path, '');
  const file = openSync(path, 'r');
  rmSync(path);
  expect(() => poller.add(file, () => undefined)).toThrow(expect.objectContaining({ errno: 'EPERM' }));
  closeSync(file);
  const gone = duplicateFd(socket.fd);
  closeFd(gone);
  expect(() => poller.add(gone, () => undefined)).toThrow(expect.objectContaining({ errno: 'EBADF' }));
});

test('an exception of one callback becomes uncaught and does not keep others from theirs', async () => {
  using poller = new FdPoller();
  const sockets = [readableSocket(), readableSocket()];
  let calls = 0;
  const removals = sockets.map((socket) =>
    poller.add(socket.fd, () => {
      calls += 1;
      socket.receive();
      throw new Error('from a callback');
    }),
  );
  const original = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  const uncaught = new Promise<Error>((resolve) => process.once('uncaughtException', resolve));
  try {
    for (const socket of sockets) socket.send();
    expect((await uncaught).message).toBe('from a callback');
    await expect.poll(() => calls).toBe(2);
  } finally {
    for (const remove of removals) remove();
    for (const listener of original) process.on('uncaughtException', listener);
  }
});

test('a pidfd becomes readable when the process ends', async () => {
  using poller = new FdPoller();
  const child = spawn('/bin/sh', ['-c', 'read line'], { stdio: ['pipe', 'ignore', 'ignore'] });
  const pidfd = pidfdOpen(child.pid ?? 0);
  const ended = new Promise<void>((resolve) => {
    const remove = poller.add(pidfd, () => {
      remove();
      resolve();
    });
  });
  child.stdin.end();
  await ended;
  closeFd(pidfd);
});

test('close() twice is once, and a closed poller refuses', () => {
  const poller = new FdPoller();
  const socket = readableSocket();
  const remove = poller.add(socket.fd, () => undefined);
  poller.close();
  poller.close();
  remove();
  expect(() => poller.add(socket.fd, () => undefined)).toThrow('closed');
});
