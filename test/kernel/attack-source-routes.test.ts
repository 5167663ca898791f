import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cleanup } from '../../src/base/cleanup.ts';
import { lastErrno } from '../../src/kernel/ffi.ts';
import { closeFd, SysError } from '../../src/kernel/index.ts';
import { libc } from '../../src/kernel/libc.ts';
import type { Arena } from '../support/arena.ts';
import { createArena, redirectors, runInside, server, server6 } from '../support/arena.ts';
import { counted } from '../support/enrolment.ts';
import { application, connectOn, dial, dialOn, endpoint, listen, root, socketAs } from '../support/tcp.ts';
import { tap } from '../support/wiretap.ts';

const IPPROTO_IP = 0;
const IP_OPTIONS = 4;
const IPPROTO_IPV6 = 41;
const IPV6_2292PKTOPTIONS = 6;
const IPV6_RTHDR = 57;

/** A host of the attacker's own: packets are routed to it first, and it plays whatever server was dialled. */
const accomplice = '203.0.113.66';
const accomplice6 = '2001:db8::bad';

describe.each(redirectors)('an application that chooses the way of its packets itself (%s)', (redirector) => {
  const cleanup = new Cleanup();
  let arena: Arena;

  beforeAll(async () => {
    arena = cleanup.use(await createArena(redirector));
    const { outside } = arena.network;
    outside.ip(
      `addr add ${accomplice}/32 dev lo\naddr add ${accomplice6}/128 dev lo nodad\nroute add local fd6d::/16 dev lo table local\n`,
    );
    for (const scope of ['all', 'eth0', 'lo']) runInside(outside, 'sysctl', '-qw', `net.ipv6.conf.${scope}.seg6_enabled=1`);
    cleanup.use(await listen(outside, root, 'accomplice', '[::]:15001', { dual: true }));
  });

  afterAll(() => cleanup[Symbol.asyncDispose]());

  const socket = (family: 4 | 6) => socketAs(arena.network.pod, application, { family, type: 'tcp' });
  /** TCP and routing header packets that the attacker got. */
  const caught = (packets: readonly { protocol: number; destination: string }[]) =>
    packets.filter(({ protocol, destination }) => [6, 43].includes(protocol) && [accomplice, accomplice6].includes(destination));

  it('gets nothing to the accomplice with an IPv6 routing header before connect()', async () => {
    using wire = tap(arena.network.outside);
    const fd = socket(6);
    const refused = setOption(fd, IPPROTO_IPV6, IPV6_RTHDR, routingHeader(accomplice6));
    expect(refused).toBe(redirector === 'ebpf' ? 'EPERM' : null);
    const { answer } = await dialOn(fd, `[${server6}]:80`);
    // iptables sends the connection to the proxy, which does not take part in source routing
    expect(answer).toBe(redirector === 'ebpf' ? 'outbound' : 'TIMEOUT');
    expect(caught(wire.packets())).toEqual([]);
  });

  it('gets nothing to the accomplice with an IPv6 routing header after connect()', async () => {
    using wire = tap(arena.network.outside);
    const fd = socket(6);
    expect(await connectOn(fd, `[${server6}]:80`)).toBeNull();
    setOption(fd, IPPROTO_IPV6, IPV6_RTHDR, routingHeader(accomplice6));
    libc().send(fd, Buffer.from('stolen'), 6, 0);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(caught(wire.packets())).toEqual([]);
    closeFd(fd);
  });

  it('gets nothing to the accomplice with IPv4 loose source routing', async () => {
    using wire = tap(arena.network.outside);
    const fd = socket(4);
    const hop = [...endpoint(`${accomplice}:0`).address];
    expect(setOption(fd, IPPROTO_IP, IP_OPTIONS, Buffer.from([131, 7, 4, ...hop, 0]))).toBe(redirector === 'ebpf' ? 'EPERM' : null);
    await dialOn(fd, `${server}:80`);
    expect(caught(wire.packets())).toEqual([]);
  });

  it('still sets every other option, of any size', async () => {
    const [level, TCP_NODELAY, SO_ATTACH_FILTER] = [6, 1, 26];
    const fd = socket(6);
    expect(setOption(fd, level, TCP_NODELAY, Buffer.from([1, 0, 0, 0]))).toBeNull();
    // larger than a page: an option that the kernel does not know is refused by itself
    expect(setOption(fd, 1, SO_ATTACH_FILTER, Buffer.alloc(8192))).toBe('EINVAL');
    expect((await dialOn(fd, `[${server6}]:80`)).answer).toBe('outbound');
    expect((await dial(arena.network.outside, root, `[${accomplice6}]:15001`)).answer).toBe('accomplice');
  });

  if (redirector === 'iptables') return;

  it('is counted when it is refused', async () => {
    const fd = socket(6);
    const header = routingHeader(accomplice6);
    const refused = await counted(arena.node.plane, 'OPTION_REFUSED', async () => {
      setOption(fd, IPPROTO_IPV6, IPV6_RTHDR, header);
      setOption(fd, IPPROTO_IPV6, IPV6_2292PKTOPTIONS, header);
    });
    expect(refused).toBe(2);
    closeFd(fd);
  });
});

/** null, or the errno. */
function setOption(fd: number, level: number, name: number, value: Buffer): string | null {
  return libc().setsockopt(fd, level, name, value, value.length) === 0 ? null : new SysError('setsockopt', lastErrno()).errno;
}

/** A segment routing header (RFC 8754) with one host before the destination. */
function routingHeader(hop: string): Buffer {
  const header = Buffer.alloc(8 + 2 * 16);
  header.set([0, 4, 4, 1, 1]);
  header.set(endpoint(`[${hop}]:0`).address, 8 + 16);
  return header;
}
