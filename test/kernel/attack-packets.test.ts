import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cleanup } from '../../src/base/cleanup.ts';
import { closeFd, encodeSockaddr } from '../../src/kernel/index.ts';
import { libc } from '../../src/kernel/libc.ts';
import { receiveBytes } from '../../src/kernel/socket-io.ts';
import type { Arena } from '../support/arena.ts';
import { createArena, redirectors, runInside, server, server6 } from '../support/arena.ts';
import { inject } from '../support/spoofed-packet.ts';
import type { Listener } from '../support/tcp.ts';
import { application, dial, endpoint, listen, root, socketAs } from '../support/tcp.ts';
import type { Wiretap } from '../support/wiretap.ts';
import { tap } from '../support/wiretap.ts';

const IPPROTO_TCP = 6;
/** Source port 40000 to port 80, SYN; the checksum is not needed to see where it goes. */
const syn = Buffer.from('9c40005000000001000000005002ffff00000000', 'hex');

/** Long enough for what must not be seen: where something must be, the tests wait for it. */
const pause = () => new Promise((resolve) => setTimeout(resolve, 100));

describe.each(redirectors)('packets that no socket of the usual kind has made (%s)', (redirector) => {
  const cleanup = new Cleanup();
  let arena: Arena;
  let app: Listener;
  let podMac: string;
  let outsideMac: string;

  beforeAll(async () => {
    arena = cleanup.use(await createArena(redirector));
    app = cleanup.use(await listen(arena.network.pod, application, 'app', '[::]:8080', { dual: true }));
    const mac = (netns: Arena['network']['pod']) => /link\/ether (\S+)/.exec(runInside(netns, 'ip', 'link', 'show', 'eth0'))?.[1] ?? '';
    [podMac, outsideMac] = [mac(arena.network.pod), mac(arena.network.outside)];
    // neighbours are known from here on
    await dial(arena.network.outside, root, '10.9.0.2:1');
    await dial(arena.network.outside, root, '[fd00:9::2]:1');
  });

  afterAll(() => cleanup[Symbol.asyncDispose]());

  it('leave the pod from a raw socket (CAP_NET_RAW) where programs redirect, not under iptables', async () => {
    using wire = tap(arena.network.outside);
    for (const [family, to] of [
      [4, `${server}:0`],
      [6, `[${server6}]:0`],
    ] as const) {
      const fd = socketAs(arena.network.pod, root, { family, type: 'raw', protocol: IPPROTO_TCP });
      const address = encodeSockaddr(endpoint(to));
      libc().sendto(fd, syn, syn.length, 0, address, address.length);
      closeFd(fd);
    }
    const expected = redirector === 'ebpf' ? [server, server6] : [];
    const seen = toServers(wire);
    await expect.poll(seen).toEqual(new Set(expected));
    await pause();
    expect(seen()).toEqual(new Set(expected));
  });

  it('are no socket that uid 1000 can make', () => {
    for (const family of [4, 6] as const)
      expect(() => socketAs(arena.network.pod, application, { family, type: 'raw', protocol: IPPROTO_TCP })).toThrow('EPERM');
  });

  it('leave the pod from a packet socket (CAP_NET_RAW) whoever redirects', async () => {
    using wire = tap(arena.network.outside);
    inject(arena.network.pod, outsideMac, { from: '10.9.0.2:40001', to: `${server}:80`, carries: 'syn' });
    inject(arena.network.pod, outsideMac, { from: '[fd00:9::2]:40001', to: `[${server6}]:80`, carries: 'syn' });
    await expect.poll(toServers(wire)).toEqual(new Set([server, server6]));
  });

  const pretended: [whom: string, from: string, to: string][] = [
    ['the pod itself', '10.9.0.2:40002', '10.9.0.2:8080'],
    ['loopback', '127.0.0.1:40002', '10.9.0.2:8080'],
    ['the proxy when it passes on', '127.0.0.6:40002', '10.9.0.2:8080'],
    ['the addresses of redirected connections', '127.128.3.4:15001', '10.9.0.2:8080'],
    ['the pod itself over IPv6', '[fd00:9::2]:40002', '[fd00:9::2]:8080'],
    ['loopback over IPv6', '[::1]:40002', '[fd00:9::2]:8080'],
    ['the proxy when it passes on over IPv6', '[::6]:40002', '[fd00:9::2]:8080'],
  ];
  // under iptables these are addresses like any other
  if (redirector === 'ebpf')
    pretended.push(['the addresses of redirected IPv6 connections', '[fd6d:696c:6c72:6163::1]:15001', '[fd00:9::2]:8080']);

  /** Where the pod sent TCP packets to since the last call that the outside could read. */
  const answersOf = (wire: Wiretap, to: string) => (): readonly string[] => {
    const own = addressOf(to);
    const answers = wire.packets().filter(({ protocol, source, destination }) => protocol === 6 && source === own && destination !== own);
    return answers.map(({ destination }) => destination);
  };

  it.each([
    ['10.9.0.1:40003', '10.9.0.2:8080'],
    ['[fd00:9::1]:40003', '[fd00:9::2]:8080'],
  ])('become a connection when they come from where they say: %s', async (from, to) => {
    using wire = tap(arena.network.outside);
    inject(arena.network.outside, podMac, { from, to, carries: 'syn' });
    await expect.poll(answersOf(wire, to)).toContain(addressOf(from));
  });

  it.each(pretended)('never become a connection when they come from outside as if from %s', async (_whom, from, to) => {
    using wire = tap(arena.network.outside);
    const before = [app, arena.inbound, arena.outbound].map(({ accepted }) => accepted.length);
    inject(arena.network.outside, podMac, { from, to, carries: 'syn' });
    await pause();
    expect(answersOf(wire, to)()).toEqual([]);
    expect([app, arena.inbound, arena.outbound].map(({ accepted }) => accepted.length)).toEqual(before);
  });

  if (redirector === 'ebpf')
    it('are treated as any connection from outside when a neighbour dials the addresses of redirected ones', async () => {
      arena.network.outside.ip('route replace fd6d:696c:6c72:6163::/64 via fd00:9::2\n');
      const before = arena.outbound.accepted.length;
      expect((await dial(arena.network.outside, root, '[fd6d:696c:6c72:6163::1]:15001')).answer).toBe('inbound');
      expect(arena.outbound.accepted.length).toBe(before);
    });

  it('do not pass for answers of the resolver', async () => {
    const fd = socketAs(arena.network.pod, application, { family: 4, type: 'udp', bind: endpoint('10.9.0.2:40053') });
    inject(arena.network.outside, podMac, { from: '127.0.0.1:15053', to: '10.9.0.2:40053', carries: Buffer.from('forged!!') });
    inject(arena.network.outside, podMac, { from: '127.128.0.1:15053', to: '10.9.0.2:40053', carries: Buffer.from('forged!!') });
    await pause();
    expect(receiveBytes(fd)).toBeNull();
    closeFd(fd);
  });
});

function addressOf(text: string): string {
  return text.replace(/^\[?([^\]]+?)\]?:\d+$/, '$1');
}

/** Which of the servers TCP packets were seen to, from the first call on. */
function toServers(wire: Wiretap): () => ReadonlySet<string> {
  const seen = new Set<string>();
  return () => {
    for (const { protocol, destination } of wire.packets())
      if (protocol === 6 && [server, server6].includes(destination)) seen.add(destination);
    return seen;
  };
}
