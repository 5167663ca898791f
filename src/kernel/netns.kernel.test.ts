import { execFileSync, spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { fstatSync, mkdtempSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { scratchNetns } from '../../test/support/scratch-kernel.ts';
import { UserError } from '../base/errors.ts';
import { netnsAddresses, netnsInterfaces, watchAddresses } from './addresses.ts';
import { closeFd } from './libc.ts';
import { inNetns, openNetns, socketIn } from './netns.ts';
import { pidfdGetFd, pidfdOpen } from './pidfd.ts';
import { FdPoller } from './poller.ts';
import { listeningSockets } from './sock-diag.ts';
import { localAddress, originalDestination, peerAddress, socketNetnsCookie, waitConnected } from './sockets.ts';

const loopback = Uint8Array.of(127, 0, 0, 1);
const loopback6 = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
const home = (): string => readlinkSync('/proc/thread-self/ns/net');

test('openNetns() knows inode and cookie, and two namespaces differ in both', () => {
  using first = scratchNetns();
  using second = scratchNetns();
  expect(inNetns(first.handle, home)).toBe(`net:[${first.handle.inode}]`);
  expect(first.handle.cookie).not.toBe(second.handle.cookie);
  expect(first.handle.inode).not.toBe(second.handle.inode);
  using again = openNetns(first.path);
  expect([again.cookie, again.inode]).toEqual([first.handle.cookie, first.handle.inode]);
});

test.each([
  ['/proc/self/ns/mnt', 'a namespace of another kind'],
  ['/etc/passwd', 'not a namespace'],
  ['/nowhere', 'ENOENT'],
])('openNetns() throws NETNS_INVALID when the path is %s', (path, found) => {
  expect(() => openNetns(path)).toThrow(UserError);
  expect(() => openNetns(path)).toThrow(expect.objectContaining({ code: 'NETNS_INVALID', message: expect.stringContaining(found) }));
});

test('openNetns() leaves the name free to be unmounted when it is open, and keeps the namespace', () => {
  using netns = scratchNetns();
  const directory = mkdtempSync(join(tmpdir(), 'millrace-netns-'));
  const path = join(directory, 'name');
  try {
    writeFileSync(path, '');
    execFileSync('mount', ['--bind', netns.path, path]);
    using named = openNetns(path);
    execFileSync('umount', [path]);
    expect(named.inode).toBe(netns.handle.inode);
    expect(inNetns(named, home)).toBe(`net:[${netns.handle.inode}]`);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('inNetns() comes back when the work throws, and refuses work that goes on later', () => {
  using netns = scratchNetns();
  const before = home();
  expect(() =>
    inNetns(netns.path, () => {
      throw new Error('inside');
    }),
  ).toThrow('inside');
  expect(home()).toBe(before);
  expect(() => inNetns(netns.path, async () => undefined)).toThrow(TypeError);
  expect(home()).toBe(before);
});

test('inNetns() starts child processes inside', () => {
  using netns = scratchNetns();
  const { stdout } = inNetns(netns.handle, () => spawnSync('readlink', ['/proc/self/ns/net'], { encoding: 'utf8' }));
  expect(stdout.trim()).toBe(`net:[${netns.handle.inode}]`);
});

test.each([
  { family: 4, address: loopback },
  { family: 6, address: loopback6 },
] as const)('socketIn() makes sockets that Node listens on and connects with when the family is $family', async ({ family, address }) => {
  using netns = scratchNetns();
  using poller = new FdPoller();
  const listener = socketIn(netns.handle, { family, type: 'tcp', bind: { address, port: 0 }, listen: 8, reuse: true });
  expect(socketNetnsCookie(listener)).toBe(netns.handle.cookie);
  const port = localAddress(listener)?.port ?? 0;
  const server = createServer((socket) => socket.end('hello'));
  await new Promise<void>((resolve) => server.listen({ fd: listener }, resolve));
  const fd = socketIn(netns.handle, { family, type: 'tcp', connect: { address, port } });
  await waitConnected(fd, poller);
  expect(peerAddress(fd)).toEqual({ address, port });
  expect(originalDestination(fd, family)).toBeNull();
  let text = '';
  for await (const chunk of new Socket({ fd })) text += String(chunk);
  expect(text).toBe('hello');
  server.close();
});

test('socketIn() makes datagram sockets for Node', async () => {
  using netns = scratchNetns();
  const fd = socketIn(netns.handle, { family: 4, type: 'udp', bind: { address: loopback, port: 0 } });
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind({ fd }, resolve));
  const received = new Promise<string>((resolve) => socket.once('message', (message) => resolve(message.toString())));
  socket.send('datagram', socket.address().port, '127.0.0.1');
  expect(await received).toBe('datagram');
  socket.close();
});

test('socketIn() keeps IPv4 out of a v6only socket and lets it into a dual one', async () => {
  using netns = scratchNetns();
  using poller = new FdPoller();
  const any = new Uint8Array(16);
  const reach = async (v6only: boolean): Promise<string> => {
    const listener = socketIn(netns.handle, { family: 6, type: 'tcp', bind: { address: any, port: 0 }, listen: 1, v6only });
    const fd = socketIn(netns.handle, { family: 4, type: 'tcp', connect: { address: loopback, port: localAddress(listener)?.port ?? 0 } });
    try {
      await waitConnected(fd, poller);
      return 'connected';
    } catch (error) {
      return error instanceof Error && 'errno' in error ? String(error.errno) : String(error);
    } finally {
      closeFd(fd);
      closeFd(listener);
    }
  };
  expect(await reach(true)).toBe('ECONNREFUSED');
  expect(await reach(false)).toBe('connected');
});

test('waitConnected() rejects with the reason when the signal aborts', async () => {
  using netns = scratchNetns();
  using poller = new FdPoller();
  // Packets to this address vanish: the connection stays half-open until the signal.
  execFileSync('ip', ['-n', netns.name, 'link', 'add', 'hole', 'type', 'veth', 'peer', 'name', 'bottom']);
  execFileSync('ip', ['-n', netns.name, 'address', 'add', '192.0.2.1/24', 'dev', 'hole']);
  execFileSync('ip', ['-n', netns.name, 'link', 'set', 'hole', 'up']);
  execFileSync('ip', ['-n', netns.name, 'link', 'set', 'bottom', 'up']);
  const fd = socketIn(netns.handle, { family: 4, type: 'tcp', connect: { address: Uint8Array.of(192, 0, 2, 9), port: 1 } });
  const controller = new AbortController();
  setTimeout(() => controller.abort(new Error('waited enough')), 20);
  await expect(waitConnected(fd, poller, controller.signal)).rejects.toThrow('waited enough');
  await expect(waitConnected(fd, poller, AbortSignal.abort(new Error('at once')))).rejects.toThrow('at once');
  closeFd(fd);
});

test('netnsAddresses() lists addresses of both families with prefix and interface', () => {
  using netns = scratchNetns();
  execFileSync('ip', ['-n', netns.name, 'link', 'add', 'eth7', 'type', 'veth', 'peer', 'name', 'peer7']);
  execFileSync('ip', ['-n', netns.name, 'address', 'add', '10.7.0.2/24', 'dev', 'eth7']);
  execFileSync('ip', ['-n', netns.name, 'address', 'add', '10.7.0.3/24', 'dev', 'eth7']);
  execFileSync('ip', ['-n', netns.name, 'address', 'add', 'fd00:7::2/64', 'dev', 'eth7']);
  const shown = netnsAddresses(netns.handle).map(
    ({ interfaceName, address, prefix }) => `${interfaceName} ${Buffer.from(address).toString('hex')}/${prefix}`,
  );
  expect(shown).toEqual([
    'lo 7f000001/8',
    'eth7 0a070002/24',
    'eth7 0a070003/24',
    `lo ${Buffer.from(loopback6).toString('hex')}/128`,
    'eth7 fd000007000000000000000000000002/64',
  ]);
  expect(netnsInterfaces(netns.handle).get('eth7')).toBe(
    netnsAddresses(netns.path).find(({ interfaceName }) => interfaceName === 'eth7')?.interfaceIndex,
  );
  expect(netnsInterfaces(netns.handle).get('eth8')).toBeUndefined();
});

test('netnsAddresses() reads a list that is longer than one datagram', () => {
  using netns = scratchNetns();
  const commands = Array.from({ length: 1200 }, (_, index) => `address add 10.${8 + (index >> 8)}.${index & 255}.1/32 dev lo`).join('\n');
  execFileSync('ip', ['-n', netns.name, '-batch', '-'], { input: commands });
  expect(netnsAddresses(netns.handle).filter(({ prefix }) => prefix === 32)).toHaveLength(1200);
});

test('watchAddresses() tells the new list when an address comes and goes', async () => {
  using netns = scratchNetns();
  using poller = new FdPoller();
  let latest: string[] | null = null;
  const watch = watchAddresses(netns.handle, poller, (addresses) => {
    latest = addresses.filter(({ prefix }) => prefix === 31).map(({ address }) => address.join('.'));
  });
  execFileSync('ip', ['-n', netns.name, 'address', 'add', '10.9.0.1/31', 'dev', 'lo']);
  await expect.poll(() => latest).toEqual(['10.9.0.1']);
  execFileSync('ip', ['-n', netns.name, 'address', 'del', '10.9.0.1/31', 'dev', 'lo']);
  await expect.poll(() => latest).toEqual([]);
  watch.close();
  watch.close();
  latest = null;
  execFileSync('ip', ['-n', netns.name, 'address', 'add', '10.9.0.1/31', 'dev', 'lo']);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(latest).toBeNull();
});

test('pidfdGetFd() fetches the same socket from another process', () => {
  const listener = socketIn('/proc/self/ns/net', { family: 4, type: 'tcp', bind: { address: loopback, port: 0 }, listen: 1 });
  const pidfd = pidfdOpen(process.pid);
  const copy = pidfdGetFd(pidfd, listener);
  expect(copy).not.toBe(listener);
  expect(localAddress(copy)).toEqual(localAddress(listener));
  expect(() => pidfdGetFd(pidfd, 9999)).toThrow(expect.objectContaining({ errno: 'EBADF' }));
  expect(() => pidfdOpen(0x3fff_ffff)).toThrow(expect.objectContaining({ errno: 'ESRCH' }));
  for (const fd of [copy, pidfd, listener]) closeFd(fd);
});

test('listeningSockets() tells address, port and inode of every listener of the namespace, and no other socket', () => {
  using netns = scratchNetns();
  expect(listeningSockets(netns.handle)).toEqual([]);
  const listening = [
    { family: 4, address: loopback, port: 15001 },
    { family: 6, address: new Uint8Array(16), port: 15006 },
  ] as const;
  const fds = listening.map(({ family, address, port }) =>
    socketIn(netns.handle, { family, type: 'tcp', bind: { address, port }, listen: 1 }),
  );
  const bound = socketIn(netns.handle, { family: 4, type: 'tcp', bind: { address: loopback, port: 15002 } });
  expect(listeningSockets(netns.handle)).toEqual(
    listening.map((listener, index) => ({ ...listener, inode: fstatSync(fds[index] ?? -1).ino })),
  );
  for (const fd of [...fds, bound]) closeFd(fd);
});
