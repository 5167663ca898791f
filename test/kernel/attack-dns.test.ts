import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cleanup } from '../../src/base/cleanup.ts';
import { addressOf, keepAlive } from '../../src/kernel/ffi.ts';
import { bindSocket, closeFd, connectSocket, encodeSockaddr, pollEvents } from '../../src/kernel/index.ts';
import { check, libc } from '../../src/kernel/libc.ts';
import { receiveBytes, sendBytes, waitForSockets } from '../../src/kernel/socket-io.ts';
import { mapIp, parseIp } from '../../src/pods/address.ts';
import type { Arena } from '../support/arena.ts';
import { createArena, redirectors } from '../support/arena.ts';
import { counted } from '../support/enrolment.ts';
import { application, endpoint, endpointText, proxy, socketAs } from '../support/tcp.ts';

const captured = { dns: { kind: 'all', port: 15053 } } as const;
const [first, second] = ['203.0.113.10:53', '203.0.113.11:53'];
const udp = { family: 4, type: 'udp' } as const;

describe.each(redirectors)('an application that asks for names in odd ways (%s)', (redirector) => {
  const cleanup = new Cleanup();
  let arena: Arena;
  let resolver: number;

  beforeAll(async () => {
    arena = cleanup.use(await createArena(redirector, { config: captured }));
    resolver = socketAs(arena.network.pod, proxy, { ...udp, bind: endpoint('127.0.0.1:15053') });
    cleanup.defer(() => closeFd(resolver));
  });

  afterAll(() => cleanup[Symbol.asyncDispose]());

  const socket = (from?: string) =>
    socketAs(arena.network.pod, application, { ...udp, ...(from === undefined ? {} : { bind: endpoint(from) }) });

  /** Lets the resolver answer one query. Returns whom it came from and whom the answer seems to be from; `lost` for what did not come. */
  const exchange = (fd: number): { readonly client: string; readonly answered: string } => {
    waitForSockets([resolver], pollEvents.readable, 300);
    const query = receiveBytes(resolver);
    if (query?.from == null) return { client: 'lost', answered: 'lost' };
    sendBytes(resolver, query.data, { to: query.from });
    waitForSockets([fd], pollEvents.readable, 300);
    const answer = receiveBytes(fd);
    return { client: endpointText(query.from), answered: answer === null ? 'lost' : endpointText(answer.from) };
  };
  const ask = (fd: number, to?: string) => {
    sendBytes(fd, Buffer.from('query'), to === undefined ? {} : { to: endpoint(to) });
    return exchange(fd);
  };

  it('is answered from where it asked when it connects again, with AF_UNSPEC between or without', () => {
    const fd = socket();
    for (const disconnects of [false, true]) {
      for (const to of [first, second]) {
        connectSocket(fd, endpoint(to));
        expect(ask(fd).answered).toBe(to);
        if (disconnects) check(libc().connect(fd, Buffer.alloc(16), 16), 'connect(AF_UNSPEC)');
      }
    }
    expect(ask(fd, first).answered).toBe(first);
    closeFd(fd);
  });

  it('is captured when its address says AF_UNSPEC, which the kernel takes for IPv4', () => {
    const fd = socket();
    const address = encodeSockaddr(endpoint(first));
    address.writeUInt16LE(0, 0);
    check(libc().sendto(fd, Buffer.from('query'), 5, 0, address, address.length), 'sendto');
    expect(exchange(fd).answered).toBe(first);
    closeFd(fd);
  });

  it('is captured with the source that it names in a control message', () => {
    const fd = socket('0.0.0.0:40100');
    sendFrom(fd, '10.9.0.22', first);
    expect(exchange(fd)).toEqual({ client: '10.9.0.22:40100', answered: first });
    closeFd(fd);
  });

  it('is told the answers of two servers apart on one port', () => {
    const fd = socket('10.9.0.2:40101');
    for (const to of [first, second, first, second]) expect(ask(fd, to).answered).toBe(to);
    closeFd(fd);
  });

  it('takes the queries of the others when it is on the resolver’s port first, whoever redirects', () => {
    closeFd(resolver);
    const impostor = socketAs(arena.network.pod, application, { ...udp, bind: endpoint('127.0.0.1:15053') });
    const fd = socket();
    sendBytes(fd, Buffer.from('query'), { to: endpoint(first) });
    waitForSockets([impostor], pollEvents.readable, 300);
    expect(receiveBytes(impostor)?.data.toString()).toBe('query');
    expect(() => socketAs(arena.network.pod, proxy, { ...udp, bind: endpoint('0.0.0.0:15053') })).toThrow('EADDRINUSE');
    for (const open of [impostor, fd]) closeFd(open);
    resolver = socketAs(arena.network.pod, proxy, { ...udp });
    bindSocket(resolver, endpoint('127.0.0.1:15053'));
  });

  if (redirector === 'iptables') return;

  it('does not use up the ports towards the resolver: those of old queries are taken again', async () => {
    const { plane } = arena.node;
    const { cookie } = arena.network.pod.handle;
    const client = mapped('10.9.0.2');
    // every port asks somebody else already; how long ago is what counts
    const fill = (asked: number) => {
      const rows = Array.from({ length: 65_536 - 1024 }, (_, index) => index + 1024);
      const value = { spread: mapped('127.200.0.1'), asked };
      for (const port of rows) plane.maps.dnsReplies.set({ cookie, client, seenPort: port }, { ...value, port });
    };
    const fd = socket('10.9.0.2:40102');
    fill(Math.floor(Number(process.hrtime.bigint() / 2n ** 30n)));
    expect(await counted(plane, 'ERROR_DNS_PORT', async () => void expect(ask(fd, first).client).toBe('lost'))).toBe(1);
    fill(0);
    expect(ask(fd, second).answered).toBe(second);
    closeFd(fd);
  }, 60_000);

  it('never gets the answer to another pod’s query, and no wrong server, when that pod floods the tables', () => {
    const { maps } = arena.node.plane;
    const stranger = arena.network.outside.handle.cookie;
    const fd = socket('10.9.0.2:40103');
    sendBytes(fd, Buffer.from('query'), { to: endpoint(first) });
    waitForSockets([resolver], pollEvents.readable, 300);
    const query = receiveBytes(resolver);
    for (let index = 0; index < 70_000; index += 1) {
      const client = mapped('10.9.0.2');
      maps.dnsReplies.set(
        { cookie: stranger, client, seenPort: index & 0xffff },
        { spread: mapped(`127.130.0.${index >> 16}`), port: 9, asked: 0 },
      );
      const addr = mapped(`127.${128 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`);
      if (index < 20_000) maps.dnsServers.set({ cookie: stranger, addr }, { addr: mapped('192.0.2.66') });
    }
    if (query?.from == null) throw new Error('the query did not arrive');
    sendBytes(resolver, query.data, { to: query.from });
    waitForSockets([fd], pollEvents.readable, 300);
    const answer = receiveBytes(fd);
    // right, or lost, or from a port that no server answers from, so that the client asks again
    const seen = answer === null ? 'lost' : endpointText(answer.from);
    expect(seen).toMatch(/^(203\.0\.113\.10:53|lost|127\.\d+\.\d+\.\d+:15053)$/);
    process.stdout.write(`answer during the flood: ${seen}\n`);
    expect(ask(fd, first).answered).toBe(first);
    closeFd(fd);
  }, 60_000);
});

function mapped(text: string): Uint8Array {
  const ip = parseIp(text);
  if (ip === null) throw new Error(`no address: ${text}`);
  return mapIp(ip);
}

/** sendmsg() with IP_PKTINFO: struct msghdr, one vector, struct cmsghdr with struct in_pktinfo. */
function sendFrom(fd: number, source: string, to: string): void {
  const address = encodeSockaddr(endpoint(to));
  const data = Buffer.from('query');
  const control = Buffer.alloc(32);
  control.writeBigUInt64LE(28n, 0);
  control.writeInt32LE(0, 8);
  control.writeInt32LE(8, 12);
  control.set(endpoint(`${source}:0`).address, 20);
  const vector = Buffer.alloc(16);
  vector.writeBigUInt64LE(addressOf(data), 0);
  vector.writeBigUInt64LE(BigInt(data.length), 8);
  const header = Buffer.alloc(56);
  header.writeBigUInt64LE(addressOf(address), 0);
  header.writeUInt32LE(address.length, 8);
  header.writeBigUInt64LE(addressOf(vector), 16);
  header.writeBigUInt64LE(1n, 24);
  header.writeBigUInt64LE(addressOf(control), 32);
  header.writeBigUInt64LE(BigInt(control.length), 40);
  check(libc().sendmsg(fd, header, 0), 'sendmsg');
  keepAlive(address, data, control, vector);
}
