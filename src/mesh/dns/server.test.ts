import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import { decode, encode } from 'dns-packet';
import { afterEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../base/log.ts';
import { check, libc } from '../../kernel/libc.ts';
import type { Upstream } from './forward.ts';
import { frame, StreamReader } from './framing.ts';
import type { DnsServerOptions } from './server.ts';
import { createDnsServer } from './server.ts';
import { reply, scriptedUpstream, truncated } from './testdata/scripted-upstream.ts';
import { meshService, workload } from './testdata/snapshot.ts';
import { zoneOf } from './zone.ts';

const httpbin = 'httpbin.demo.svc.cluster.local';
const many = Array.from({ length: 60 }, (_, index) => workload(`db-${index}`, `10.1.1.${index + 1}`, { labels: { app: 'db' } }));
const zone = zoneOf({
  clusterDomain: 'cluster.local',
  services: [meshService({}), meshService({ name: 'db', clusterIPs: [], headless: true, selector: { app: 'db' } })],
  workloads: many,
});
const question = encode({ type: 'query', id: 7, flags: 0x0100, questions: [{ name: httpbin, type: 'A' }] });

const closers: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A server on loopback, UDP and TCP on one port. */
async function start(part: Partial<DnsServerOptions> = {}): Promise<number> {
  const tcpServer = createServer().listen(0, '127.0.0.1');
  await once(tcpServer, 'listening');
  const address = tcpServer.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const udpSocket = createSocket('udp4').bind(address.port, '127.0.0.1');
  await once(udpSocket, 'listening');
  const server = await createDnsServer({
    tcpServer,
    udpSocket,
    zone: () => zone,
    upstreams: [],
    log: silentLogger,
    upstreamTimeoutMs: 300,
    ...part,
  });
  closers.push(() => server.close());
  return address.port;
}

function resolver(port: number): Resolver {
  const client = new Resolver({ timeout: 2000, tries: 1 });
  client.setServers([`127.0.0.1:${port}`]);
  return client;
}

async function upstreamThat(...script: Parameters<typeof scriptedUpstream>): Promise<Upstream> {
  const upstream = await scriptedUpstream(...script);
  closers.push(() => upstream[Symbol.asyncDispose]());
  return upstream;
}

/** Sends datagrams and returns the first answer, or null after `waitMs`. */
async function exchange(port: number, messages: readonly Buffer[], waitMs = 2000): Promise<Buffer | null> {
  const socket = createSocket('udp4');
  closers.push(() => new Promise<void>((resolve) => socket.close(() => resolve())));
  const answer = new Promise<Buffer | null>((resolve) => {
    socket.on('message', resolve);
    setTimeout(() => resolve(null), waitMs);
  });
  for (const message of messages) socket.send(message, port, '127.0.0.1');
  return answer;
}

async function open(port: number): Promise<{ readonly socket: Socket; readonly messages: Buffer[]; readonly closed: Promise<unknown> }> {
  const socket = connect(port, '127.0.0.1');
  closers.push(() => socket.destroy());
  const reader = new StreamReader();
  const messages: Buffer[] = [];
  const closed = new Promise((resolve) => socket.on('close', resolve));
  socket.on('error', () => socket.destroy()).on('data', (chunk) => messages.push(...reader.push(chunk)));
  await once(socket, 'connect');
  return { socket, messages, closed };
}

describe('createDnsServer()', () => {
  it('createDnsServer() serves a real resolver when names are known', async () => {
    const client = resolver(await start());
    expect(await client.resolve4(httpbin)).toEqual(['10.96.0.7']);
    expect(await client.resolveSrv(`_http._tcp.${httpbin}`)).toEqual([{ name: httpbin, port: 8000, priority: 0, weight: 100 }]);
    expect(await client.reverse('10.96.0.7')).toEqual([httpbin]);
  });

  it('createDnsServer() lets a real resolver tell unknown names, missing types, refusals and failures apart', async () => {
    const silent = await upstreamThat(() => []);
    const [alone, behindSilent] = [resolver(await start()), resolver(await start({ upstreams: [silent] }))];
    await expect(alone.resolve4('nothing.demo.svc.cluster.local')).rejects.toMatchObject({ code: 'ENOTFOUND' });
    await expect(alone.resolve6(httpbin)).rejects.toMatchObject({ code: 'ENODATA' });
    await expect(alone.resolve4('example.com')).rejects.toMatchObject({ code: 'EREFUSED' });
    await expect(behindSilent.resolve4('example.com')).rejects.toMatchObject({ code: 'ESERVFAIL' });
    expect(await behindSilent.resolve4(httpbin)).toEqual(['10.96.0.7']);
  });

  it('createDnsServer() gives a real resolver a long answer over TCP when it does not fit in a datagram', async () => {
    expect(await resolver(await start()).resolve4('db.demo.svc.cluster.local')).toHaveLength(60);
  });

  it('createDnsServer() passes the answers of upstream servers through, NXDOMAIN too', async () => {
    const upstream = await upstreamThat((asked) => {
      const known = decode(asked).questions?.[0]?.name === 'example.com';
      return [reply(asked, known ? { address: '192.0.2.1' } : { rcode: 3 })];
    });
    const client = resolver(await start({ upstreams: [upstream] }));
    expect(await client.resolve4('example.com')).toEqual(['192.0.2.1']);
    await expect(client.resolve4('nothing.example.com')).rejects.toMatchObject({ code: 'ENOTFOUND' });
  });

  it('createDnsServer() truncates what came over TCP from upstream when the client asked over UDP and it does not fit', async () => {
    const upstream = await upstreamThat((asked, transport) => {
      const { id = 0, questions = [] } = decode(asked);
      const answers = Array.from({ length: 60 }, (_, index) => ({
        type: 'A' as const,
        name: 'example.com',
        ttl: 60,
        data: `192.0.2.${index}`,
      }));
      const whole = encode({ type: 'response', id, flags: 0x0180, questions, answers });
      return [transport === 'udp' ? truncated(reply(asked, { rcode: 0 })) : whole];
    });
    const port = await start({ upstreams: [upstream] });
    const message = encode({ type: 'query', id: 9, flags: 0x0100, questions: [{ name: 'example.com', type: 'A' }] });
    expect(decode((await exchange(port, [message])) ?? Buffer.alloc(0))).toMatchObject({ id: 9, flag_tc: true, answers: [] });
    expect(await resolver(port).resolve4('example.com')).toHaveLength(60);
  });

  it('createDnsServer() sees the zone of the moment when it changes', async () => {
    let current = zone;
    const client = resolver(await start({ zone: () => current }));
    await expect(client.resolve4('new.demo.svc.cluster.local')).rejects.toMatchObject({ code: 'ENOTFOUND' });
    current = zoneOf({ clusterDomain: 'cluster.local', services: [meshService({ name: 'new' })], workloads: [] });
    expect(await client.resolve4('new.demo.svc.cluster.local')).toEqual(['10.96.0.7']);
  });

  it('createDnsServer() answers SERVFAIL when the zone cannot be made', async () => {
    const port = await start({
      zone: () => {
        throw new Error('no snapshot');
      },
    });
    await expect(resolver(port).resolve4(httpbin)).rejects.toMatchObject({ code: 'ESERVFAIL' });
  });

  it('createDnsServer() still answers when it got garbage by datagram', async () => {
    const port = await start();
    const garbage = [Buffer.alloc(0), Buffer.from([1]), Buffer.alloc(12, 0x80), Buffer.alloc(1400, 0xff)];
    expect(decode((await exchange(port, [...garbage, question])) ?? Buffer.alloc(0))).toMatchObject({
      id: 7,
      answers: [{ data: '10.96.0.7' }],
    });
    expect(await exchange(port, [question.subarray(0, 20)])).toMatchObject({ length: 12 });
  });

  it('createDnsServer() answers nothing when it gets a response', async () => {
    const response = Buffer.from(question);
    response.writeUInt16BE(0x8180, 2);
    expect(await exchange(await start(), [response], 200)).toBeNull();
  });

  it('createDnsServer() answers every question of a connection when they come in one piece, byte by byte, or before a half-close', async () => {
    const port = await start();
    const { socket, messages, closed } = await open(port);
    socket.write(Buffer.concat(Array.from({ length: 100 }, () => frame(question))));
    for (const byte of frame(question)) {
      socket.write(Buffer.from([byte]));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    socket.end(frame(question));
    await closed;
    expect(messages).toHaveLength(102);
    expect(messages.every((message) => decode(message).id === 7)).toBe(true);
  });

  it('createDnsServer() waits for upstream servers when the client closes its side behind its question', async () => {
    const upstream = await upstreamThat((asked) => [reply(asked, { address: '192.0.2.1' })]);
    const { socket, messages, closed } = await open(await start({ upstreams: [upstream] }));
    socket.end(frame(encode({ type: 'query', id: 3, questions: [{ name: 'example.com', type: 'A' }] })));
    await closed;
    expect(messages.map((message) => decode(message).answers)).toMatchObject([[{ data: '192.0.2.1' }]]);
  });

  it('createDnsServer() closes a connection when it is idle, also in the middle of a message', async () => {
    const { socket, messages, closed } = await open(await start({ idleTimeoutMs: 50 }));
    socket.write(frame(question).subarray(0, 10));
    await closed;
    expect(messages).toEqual([]);
  });

  it('createDnsServer() serves others when a client sends garbage over TCP or resets', async () => {
    const port = await start();
    const { socket } = await open(port);
    socket.write(Buffer.concat([frame(Buffer.alloc(0)), frame(Buffer.alloc(65_535, 0xff)), frame(question)]));
    const { socket: other } = await open(port);
    other.write(frame(question));
    other.resetAndDestroy();
    const { socket: last, messages, closed } = await open(port);
    last.end(frame(question));
    await closed;
    expect(messages).toHaveLength(1);
  });

  it('createDnsServer() ends connections and pending questions when it is closed', async () => {
    const silent = await upstreamThat(() => []);
    const tcpServer = createServer().listen(0, '127.0.0.1');
    await once(tcpServer, 'listening');
    const address = tcpServer.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const server = await createDnsServer({ tcpServer, zone: () => zone, upstreams: [silent], log: silentLogger });
    const { socket, closed } = await open(address.port);
    socket.write(frame(encode({ type: 'query', id: 3, questions: [{ name: 'example.com', type: 'A' }] })));
    await new Promise((resolve) => setTimeout(resolve, 50));
    await server.close();
    await server.close();
    await closed;
    expect(tcpServer.listening).toBe(false);
  });
});

describe('createDnsServer() with somebody who must know first', () => {
  it('createDnsServer() answers when they are ready, and others meanwhile', async () => {
    let ready: () => void = () => {};
    const asked: number[] = [];
    const port = await start({
      beforeAnswer: ({ message }) => {
        const id = message.readUInt16BE(0);
        asked.push(id);
        return id === 1 ? new Promise((resolve) => (ready = resolve)) : null;
      },
      holdMs: 5000,
    });
    const { socket, messages, closed } = await open(port);
    const ask = (id: number) => socket.write(frame(encode({ type: 'query', id, questions: [{ name: httpbin, type: 'A' }] })));
    ask(1);
    ask(2);
    await expect.poll(() => messages.map((message) => decode(message).id)).toEqual([2]);
    expect(asked).toEqual([1, 2]);
    ready();
    socket.end();
    await closed;
    expect(messages.map((message) => decode(message).id)).toEqual([2, 1]);
  });

  it.each<[string, () => Promise<void>]>([
    ['take too long', () => new Promise(() => {})],
    ['fail', () => Promise.reject(new Error('nobody there'))],
  ])('createDnsServer() answers all the same when they %s, and says so once', async (_what, beforeAnswer) => {
    const lines: string[] = [];
    const log = { ...silentLogger, warn: (_fields: object, sentence: string) => void lines.push(sentence) };
    const port = await start({ beforeAnswer, holdMs: 100, log });
    expect(await resolver(port).resolve4(httpbin)).toEqual(['10.96.0.7']);
    expect(await resolver(port).resolve4(httpbin)).toEqual(['10.96.0.7']);
    expect(lines).toEqual(['A DNS answer went out before those who wait for it were ready']);
  });
});

describe('createDnsServer() on file descriptors', () => {
  /** A socket made outside of Node and bound to 127.0.0.1, with its port. */
  function boundSocket(type: 'stream' | 'datagram'): { readonly fd: number; readonly port: number } {
    const { socket, bind, getsockname } = libc();
    const fd = check(socket(2, type === 'stream' ? 1 : 2, 0), 'socket');
    const address = Buffer.from([2, 0, 0, 0, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    check(bind(fd, address, address.length), 'bind');
    const length = Buffer.alloc(4);
    length.writeUInt32LE(address.length);
    check(getsockname(fd, address, length), 'getsockname');
    return { fd, port: address.readUInt16BE(2) };
  }

  it('createDnsServer() serves sockets that were made elsewhere', async () => {
    const [udp, tcp] = [boundSocket('datagram'), boundSocket('stream')];
    const server = await createDnsServer({ udpFd: udp.fd, tcpFd: tcp.fd, zone: () => zone, upstreams: [], log: silentLogger });
    closers.push(() => server.close());
    expect(await resolver(udp.port).resolve4(httpbin)).toEqual(['10.96.0.7']);
    const { socket, messages, closed } = await open(tcp.port);
    socket.end(frame(question));
    await closed;
    expect(messages).toHaveLength(1);
  });

  it('createDnsServer() rejects when a file descriptor is no socket of the kind', async () => {
    const { fd } = boundSocket('stream');
    closers.push(() => libc().close(fd));
    await expect(createDnsServer({ udpFd: fd, zone: () => zone, upstreams: [], log: silentLogger })).rejects.toThrow();
  });
});
