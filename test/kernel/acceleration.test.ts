import { once } from 'node:events';
import { createServer, Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Cleanup } from '../../src/base/cleanup.ts';
import { connectSocket, FdPoller, socketError, waitConnected } from '../../src/kernel/index.ts';
import { mapIp, parseIp } from '../../src/pods/address.ts';
import { changeSettings, readSettings } from '../../src/redirect/ebpf/settings.ts';
import { enrolPod } from '../support/enrolment.ts';
import type { PodNetwork, TestNetns } from '../support/network.ts';
import { createPodNetwork } from '../support/network.ts';
import type { Identity } from '../support/tcp.ts';
import { application, endpoint, proxy, socketAs } from '../support/tcp.ts';
import type { TestNode } from '../support/test-node.ts';
import { createTestNode } from '../support/test-node.ts';

const cleanup = new Cleanup();
let node: TestNode;
let network: PodNetwork;

const accelerated = { meshed: false, annotations: { 'millrace.io/accelerate': 'true' } } as const;

beforeAll(async () => {
  node = cleanup.use(await createTestNode());
  network = cleanup.use(await createPodNetwork());
});

beforeEach(async () => {
  node.plane.setAcceleration('on');
  await enrolPod(node.plane, network.pod, accelerated);
  await enrolPod(node.plane, network.outside, accelerated);
});

afterAll(() => cleanup[Symbol.asyncDispose]());

/** A server that sends back what it is sent. */
async function echo(netns: TestNetns, who: Identity, at: string): Promise<AsyncDisposable> {
  const address = endpoint(at);
  const fd = socketAs(netns, who, { family: address.address.length === 4 ? 4 : 6, type: 'tcp', bind: address, listen: 128, reuse: true });
  const server = createServer((socket) => socket.on('error', () => socket.destroy()).pipe(socket));
  server.listen({ fd });
  await once(server, 'listening');
  return { [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())) };
}

async function connect(netns: TestNetns, who: Identity, to: string): Promise<Socket> {
  const address = endpoint(to);
  const fd = socketAs(netns, who, { family: address.address.length === 4 ? 4 : 6, type: 'tcp' });
  connectSocket(fd, address);
  using poller = new FdPoller();
  await waitConnected(fd, poller);
  expect(socketError(fd)).toBe(0);
  return new Socket({ fd, readable: true, writable: true });
}

/** Sends `rounds` messages and waits for each to come back. */
async function pingPong(socket: Socket, rounds: number, size = 100): Promise<void> {
  for (let round = 0; round < rounds; round += 1) {
    const sent = Buffer.alloc(size, 97 + (round % 26));
    const parts: Buffer[] = [];
    socket.write(sent);
    while (parts.reduce((sum, part) => sum + part.length, 0) < size) {
      const [part] = (await once(socket, 'data')) as [Buffer];
      parts.push(part);
    }
    expect(Buffer.concat(parts).equals(sent)).toBe(true);
  }
}

const count = (name: string): number => node.plane.counters()[name] ?? 0;

/** How much the counters grow while `work` runs. */
async function growth(names: readonly string[], work: () => Promise<unknown>): Promise<number[]> {
  const before = names.map(count);
  await work();
  return names.map((name, index) => count(name) - (before[index] ?? 0));
}

async function talk(to: string, rounds = 20, from: TestNetns = network.pod, who: Identity = application): Promise<void> {
  const socket = await connect(from, who, to);
  await pingPong(socket, rounds);
  socket.end();
  await once(socket, 'close');
}

describe('two applications whose owners say so', () => {
  for (const [family, address] of [
    ['IPv4', '10.9.0.1:7000'],
    ['IPv6', '[fd00:9::1]:7000'],
  ] as const) {
    it(`are joined over ${family} when the listener is known, and not before`, async () => {
      await using _ = await echo(network.outside, application, address);
      // nobody knows yet how the server reads
      expect(await growth(['accelerated_messages', 'accelerate_reader_unknown'], () => talk(address))).toEqual([0, 1]);
      const [messages, bytes, sockets] = await growth(['accelerated_messages', 'accelerated_bytes', 'accelerated_sockets'], () =>
        talk(address),
      );
      expect(sockets).toBe(2);
      // the first of each direction goes by TCP
      expect(messages).toBeGreaterThan(30);
      expect(bytes).toBe((messages ?? 0) * 100);
    });
  }

  it('leave nothing in the tables when they are closed', async () => {
    await using _ = await echo(network.outside, application, '10.9.0.1:7001');
    for (let round = 0; round < 5; round += 1) await talk('10.9.0.1:7001', 3);
    await expect.poll(() => [...node.plane.maps.peers.keys()].length).toBe(0);
    expect([...node.plane.maps.accelerated.keys()].length).toBe(0);
    expect(count('accelerated_left')).toBe(count('accelerated_sockets'));
  });

  it('go on by TCP when acceleration is turned off while they speak', async () => {
    await using _ = await echo(network.outside, application, '10.9.0.1:7002');
    await talk('10.9.0.1:7002', 3);
    const socket = await connect(network.pod, application, '10.9.0.1:7002');
    expect((await growth(['accelerated_messages'], () => pingPong(socket, 10)))[0]).toBeGreaterThan(0);
    node.plane.setAcceleration('off');
    expect(await growth(['accelerated_messages'], () => pingPong(socket, 10))).toEqual([0]);
    node.plane.setAcceleration('on');
    expect((await growth(['accelerated_messages'], () => pingPong(socket, 10)))[0]).toBeGreaterThan(0);
    socket.destroy();
  });

  it('are left alone when one of them is told not to', async () => {
    await using _ = await echo(network.outside, application, '10.9.0.1:7003');
    await talk('10.9.0.1:7003', 3);
    await enrolPod(node.plane, network.outside, { meshed: false, annotations: { 'millrace.io/accelerate': 'false' } });
    expect(await growth(['accelerated_messages', 'accelerated_sockets'], () => talk('10.9.0.1:7003'))).toEqual([0, 0]);
  });
});

describe('a connection that policy no longer allows', () => {
  const pods = ['10.9.0.1', '10.9.0.2'].map((address) => mapIp(parseIp(address) ?? { family: 4, bytes: new Uint8Array(4) }));
  const keyOf = (addr: Uint8Array) => ({ prefixlen: 32 + 128, family: 4, addr });
  const everybody = { prefixlen: 72, policy: 7, peer: 0, direction: 0, protocol: 0, dport: 0 };

  afterEach(() => {
    const { maps } = node.plane;
    maps.subjects.delete(300);
    maps.policy.delete(everybody);
    for (const addr of pods) maps.ipcache.delete(keyOf(addr));
  });

  it('goes by TCP again, where the programs at the interfaces judge its packets', async () => {
    const { maps } = node.plane;
    await using _ = await echo(network.outside, application, '10.9.0.1:7020');
    await talk('10.9.0.1:7020', 3);
    const socket = await connect(network.pod, application, '10.9.0.1:7020');
    expect((await growth(['accelerated_messages'], () => pingPong(socket, 10)))[0]).toBeGreaterThan(0);
    for (const [index, addr] of pods.entries()) maps.ipcache.set(keyOf(addr), { identity: 300 + index });
    const nothing = { precedence: 0, rule: 0 };
    maps.policy.set(everybody, { tiers: [nothing, { precedence: 1, rule: 0 }, nothing] });
    maps.subjects.set(300, { policy: 7, flags: 2 });
    changeSettings(maps, { policyEpoch: readSettings(maps).policyEpoch + 1 });
    const [messages, denied] = await growth(['accelerated_messages', 'accelerate_denied'], () => pingPong(socket, 10));
    expect(messages).toBe(0);
    expect(denied).toBeGreaterThan(0);
    socket.destroy();
  });
});

describe('without an annotation', () => {
  it('the proxies of two pods are joined, and no application', async () => {
    for (const pod of [network.pod, network.outside])
      await enrolPod(node.plane, pod, { config: { inboundPorts: { kind: 'only', ports: [] } } });
    await using _proxy = await echo(network.outside, proxy, '10.9.0.1:7010');
    await using _app = await echo(network.outside, application, '10.9.0.1:7011');
    expect((await growth(['accelerated_messages'], () => talk('10.9.0.1:7010', 20, network.pod, proxy)))[0]).toBeGreaterThan(30);
    expect(await growth(['accelerated_sockets'], () => talk('10.9.0.1:7011', 3, network.pod, proxy))).toEqual([1]);
    expect(await growth(['accelerated_messages'], () => talk('10.9.0.1:7011', 20, network.pod, proxy))).toEqual([0]);
  });
});

describe('a stream of small messages', () => {
  /** Keeps what it is sent, and answers each line with its length. */
  async function lengths(netns: TestNetns, who: Identity, at: string): Promise<AsyncDisposable & { readonly received: Buffer[] }> {
    const fd = socketAs(netns, who, { family: 4, type: 'tcp', bind: endpoint(at), listen: 128, reuse: true });
    const received: Buffer[] = [];
    const server = createServer((socket) => {
      let length = 0;
      socket
        .on('error', () => socket.destroy())
        .on('data', (part: Buffer) => {
          received.push(part);
          for (const byte of part) {
            length += 1;
            if (byte !== 10) continue;
            socket.write(`${length}\n`);
            length = 0;
          }
        });
    });
    server.listen({ fd });
    await once(server, 'listening');
    return { received, [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())) };
  }

  const ask = async (socket: Socket, line: string): Promise<void> => {
    socket.write(line);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toBe(`${line.length}\n`);
  };

  it('to a proxy goes by TCP until it is answered, in order, and what follows goes past TCP again', async () => {
    for (const pod of [network.pod, network.outside])
      await enrolPod(node.plane, pod, { config: { inboundPorts: { kind: 'only', ports: [] } } });
    await using server = await lengths(network.outside, proxy, '10.9.0.1:7030');
    const first = await connect(network.pod, proxy, '10.9.0.1:7030');
    await ask(first, 'learn\n');
    first.destroy();
    const socket = await connect(network.pod, proxy, '10.9.0.1:7030');
    await ask(socket, 'hello\n');
    server.received.length = 0;
    const pieces = Array.from({ length: 500 }, (_, index) => String(index).padStart(10, '.'));
    const [streamed, accelerated] = await growth(['accelerate_stream', 'accelerated_messages'], async () => {
      for (const piece of pieces) await new Promise<void>((resolve) => socket.write(piece, () => setImmediate(resolve)));
      socket.write('\n');
      expect((await once(socket, 'data'))[0].toString()).toBe('5001\n');
    });
    expect(Buffer.concat(server.received).toString()).toBe(`${pieces.join('')}\n`);
    expect(streamed).toBeGreaterThan(300);
    expect(accelerated).toBeGreaterThan(20);
    const [asked] = await growth(['accelerated_messages'], async () => {
      for (let round = 0; round < 40; round += 1) await ask(socket, 'again\n');
    });
    expect(asked).toBeGreaterThan(40);
    socket.destroy();
  });
});
