import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cleanup } from '../../src/base/cleanup.ts';
import { lastErrno } from '../../src/kernel/ffi.ts';
import { closeFd, encodeSockaddr, inNetns, SysError } from '../../src/kernel/index.ts';
import { libc } from '../../src/kernel/libc.ts';
import { setSocketNumber } from '../../src/kernel/sockets.ts';
import type { Arena } from '../support/arena.ts';
import { createArena, redirectors, runInside, server, server6 } from '../support/arena.ts';
import { application, connectOn, dial, dialOn, endpoint, readAll, socketAs } from '../support/tcp.ts';
import { tap } from '../support/wiretap.ts';

const target = `${server}:80`;
const target6 = `[${server6}]:80`;
const MSG_FASTOPEN = 0x20000000;
const [IPPROTO_TCP, TCP_FASTOPEN_CONNECT] = [6, 30];
const [SOL_SOCKET, SO_BINDTODEVICE] = [1, 25];

describe.each(redirectors)('an application that connects in odd ways (%s)', (redirector) => {
  const cleanup = new Cleanup();
  let arena: Arena;

  beforeAll(async () => {
    arena = cleanup.use(await createArena(redirector));
    // fast open both ways, also without a cookie
    runInside(arena.network.pod, 'sysctl', '-qw', `net.ipv4.tcp_fastopen=${0x607}`);
  });

  afterAll(() => cleanup[Symbol.asyncDispose]());

  const socket = (family: 4 | 6, more: { protocol?: number; v6only?: boolean } = {}) =>
    socketAs(arena.network.pod, application, { family, type: 'tcp', ...more });
  const errno = (result: number) => (result === 0 ? null : new SysError('connect', lastErrno()).errno);
  /** connect() with bytes of the attacker's own making. */
  const connectRaw = (fd: number, address: Buffer, length = address.length) => errno(libc().connect(fd, address, length));
  const unspecified = Buffer.alloc(16);

  it('is captured when it uses an IPv6 socket for IPv4', async () => {
    expect((await dialOn(socket(6), `[::ffff:${server}]:80`)).answer).toBe('outbound');
    expect(await connectOn(socket(6, { v6only: true }), `[::ffff:${server}]:80`)).toBe('ENETUNREACH');
  });

  it('is refused when the address is of the other family, too short, or none', () => {
    const four = encodeSockaddr(endpoint(target));
    const mapped = encodeSockaddr(endpoint(`[::ffff:${server}]:80`));
    for (const [family, address, length, expected] of [
      [6, Buffer.concat([four, Buffer.alloc(12)]), 28, 'EAFNOSUPPORT'],
      [6, four, 16, 'EINVAL'],
      [4, mapped, 28, 'EAFNOSUPPORT'],
      [4, four, 15, 'EINVAL'],
      [4, four, 1, 'EINVAL'],
      [6, mapped, 23, 'EINVAL'],
    ] as const) {
      const fd = socket(family);
      expect([family, length, connectRaw(fd, Buffer.from(address), length)]).toEqual([family, length, expected]);
      closeFd(fd);
    }
  });

  it('is captured again when it disconnects with AF_UNSPEC and connects elsewhere', async () => {
    for (const [family, own, to] of [
      [4, '127.0.0.1:15006', target],
      [6, '[::1]:15006', target6],
      [6, '[::ffff:127.0.0.1]:15006', `[::ffff:${server}]:80`],
    ] as const) {
      const fd = socket(family);
      expect(await connectOn(fd, own)).toBeNull();
      expect(connectRaw(fd, unspecified)).toBeNull();
      const { answer, peer } = await dialOn(fd, to);
      // bound to loopback by its first connection it can only fail, or be captured
      expect(['outbound', 'EINVAL']).toContain(answer);
      if (answer === 'outbound') expect(peer).toBe(to);
    }
    const fd = socket(4);
    expect(await connectOn(fd, target)).toBeNull();
    expect(connectRaw(fd, unspecified)).toBeNull();
    expect(await dialOn(fd, `${server}:81`)).toMatchObject({ answer: 'outbound', peer: `${server}:81` });
  });

  it('changes nothing when it connects twice', async () => {
    const fd = socket(4);
    expect(await connectOn(fd, target)).toBeNull();
    const elsewhere = encodeSockaddr(endpoint('10.9.0.1:80'));
    // the first call only learns that the connection is there
    expect(connectRaw(fd, elsewhere)).toBeNull();
    expect(connectRaw(fd, elsewhere)).toBe('EISCONN');
    expect(await readAll(fd)).toBe('outbound');
    expect(arena.outbound.accepted.at(-1)?.original).toBe(target);
  });

  it.each([4, 6] as const)('is captured when it sends with TCP fast open over IPv%d', async (family) => {
    const to = encodeSockaddr(endpoint(family === 4 ? target : target6));
    const fd = socket(family);
    libc().sendto(fd, Buffer.from('x'), 1, MSG_FASTOPEN, to, to.length);
    expect(await readAll(fd)).toBe('outbound');
    const later = socket(family);
    setSocketNumber(later, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1, 'TCP_FASTOPEN_CONNECT');
    expect(connectRaw(later, to)).toBeNull();
    libc().send(later, Buffer.from('x'), 1, 0);
    expect(await readAll(later)).toBe('outbound');
  });

  it('is captured when it speaks MPTCP', async () => {
    expect((await dialOn(socket(4, { protocol: 262 }), target)).answer).toBe('outbound');
    expect((await dialOn(socket(6, { protocol: 262 }), target6)).answer).toBe('outbound');
  });

  it('is captured when it binds what the proxy binds for passing on', async () => {
    // no route leads from 127.0.0.6 to elsewhere; iptables comes after the route, the programs before it
    const { answer } = await dial(arena.network.pod, application, target, { from: '127.0.0.6:0' });
    expect(answer).toBe(redirector === 'ebpf' ? 'outbound' : 'EINVAL');
    expect((await dial(arena.network.pod, application, target6, { from: '[::6]:0' })).answer).toBe('outbound');
  });

  it('gets nothing out when it binds its socket to the interface', async () => {
    using wire = tap(arena.network.outside);
    for (const [family, to] of [
      [4, target],
      [6, target6],
    ] as const) {
      const fd = socket(family);
      inNetns(arena.network.pod.handle, () => libc().setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, Buffer.from('eth0\0'), 5));
      expect(['outbound', 'TIMEOUT', 'ECONNREFUSED', 'ENETUNREACH', 'EHOSTUNREACH']).toContain((await dialOn(fd, to)).answer);
    }
    const servers = [server, server6];
    expect(wire.packets().filter(({ protocol, destination }) => protocol === 6 && servers.includes(destination))).toEqual([]);
  });
});
