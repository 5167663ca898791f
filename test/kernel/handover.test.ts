import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cleanup } from '../../src/base/cleanup.ts';
import { closeFd, localAddress, peerAddress } from '../../src/kernel/index.ts';
import { libc } from '../../src/kernel/libc.ts';
import { counted, enrolPod } from '../support/enrolment.ts';
import type { PodNetwork } from '../support/network.ts';
import { createPodNetwork } from '../support/network.ts';
import type { Listener } from '../support/tcp.ts';
import { application, connectOn, dial, dialOn, endpoint, endpointText, listen, proxy, root, socketAs } from '../support/tcp.ts';
import type { TestNode } from '../support/test-node.ts';
import { createTestNode } from '../support/test-node.ts';

const cleanup = new Cleanup();
let node: TestNode;
let network: PodNetwork;
let outbound: Listener;

beforeAll(async () => {
  node = cleanup.use(await createTestNode());
  network = cleanup.use(await createPodNetwork());
  await enrolPod(node.plane, network.pod);
  outbound = cleanup.use(await listen(network.pod, proxy, 'outbound', '[::]:15001', { dual: true }));
  cleanup.use(await listen(network.pod, application, 'app', '0.0.0.0:8080'));
  cleanup.use(await listen(network.outside, root, 'real', '0.0.0.0:80'));
});

afterAll(() => cleanup[Symbol.asyncDispose]());

const tcp4 = { family: 4, type: 'tcp' } as const;
const underway = () => [...node.plane.maps.handovers.keys()].length;

/** connect(2) with AF_UNSPEC: the socket is as if it had never been connected. */
function disconnect(fd: number): void {
  expect(libc().connect(fd, Buffer.alloc(16), 16)).toBe(0);
}

/** Closes with RST: SO_LINGER on, 0 seconds. */
function reset(fd: number): void {
  const linger = Buffer.alloc(8);
  linger.writeInt32LE(1, 0);
  expect(libc().setsockopt(fd, 1, 13, linger, 8)).toBe(0);
  closeFd(fd);
}

describe('the table of original destinations', () => {
  it('is empty when a connection was refused', async () => {
    // 15006 has no listener: the self hop is refused
    expect((await dial(network.pod, proxy, '10.9.0.2:8080')).answer).toBe('ECONNREFUSED');
    expect(underway()).toBe(0);
  });

  it('is empty when a connection was given up before anybody accepted it', async () => {
    using own = await createPodNetwork();
    await enrolPod(node.plane, own.pod);
    const full = socketAs(own.pod, proxy, { family: 4, type: 'tcp', bind: endpoint('127.0.0.1:15001'), listen: 0 });
    // one fits into the queue, the SYN of the others is not answered
    const fds = [1, 2, 3, 4].map(() => socketAs(own.pod, application, tcp4));
    const results = await Promise.all(fds.map((fd, index) => connectOn(fd, `203.0.113.${index}:80`)));
    expect(results.filter((result) => result === 'TIMEOUT').length).toBeGreaterThan(0);
    expect(underway()).toBe(results.filter((result) => result === 'TIMEOUT').length);
    for (const [index, fd] of fds.entries()) {
      if (index % 2 === 0) disconnect(fd);
      closeFd(fd);
    }
    expect(underway()).toBe(0);
    closeFd(full);
    await node.plane.release(own.pod.handle.cookie);
  });

  it('is empty when a connection was reset', async () => {
    const fd = socketAs(network.pod, application, tcp4);
    expect(await connectOn(fd, '203.0.113.5:80')).toBeNull();
    reset(fd);
    expect(underway()).toBe(0);
  });

  it('is empty and every destination right when many connections are made at once', async () => {
    const before = outbound.accepted.length;
    const targets = Array.from({ length: 100 }, (_, index) => `198.51.100.${index}:${1000 + index}`);
    const answers = await Promise.all(targets.map(async (to) => (await dial(network.pod, application, to)).answer));
    expect(answers).toEqual(targets.map(() => 'outbound'));
    const originals = outbound.accepted.slice(before).map(({ original }) => original);
    expect(originals.sort()).toEqual([...targets].sort());
    expect(underway()).toBe(0);
  });

  it('leaves no connection without its destination when a source port is used again after a reset', async () => {
    for (const last of ['1', '2', '3', '4', '5']) {
      const fd = socketAs(network.pod, application, { ...tcp4, bind: endpoint('10.9.0.2:5558'), reuse: true });
      expect(await connectOn(fd, `203.0.113.${last}:80`)).toBeNull();
      reset(fd);
    }
    await expect
      .poll(() => outbound.accepted.slice(-5).map(({ original }) => original))
      .toEqual(['1', '2', '3', '4', '5'].map((last) => `203.0.113.${last}:80`));
    expect(outbound.accepted.slice(-5).map(({ peer }) => peer)).toEqual(Array.from({ length: 5 }, () => '[::ffff:10.9.0.2]:5558'));
    expect(underway()).toBe(0);
  });
});

describe('a socket that connects twice', () => {
  it('is redirected both times when it was disconnected between', async () => {
    const fd = socketAs(network.pod, application, tcp4);
    expect(await connectOn(fd, '203.0.113.5:80')).toBeNull();
    disconnect(fd);
    const seen = await dialOn(fd, '203.0.113.6:81');
    expect(seen).toMatchObject({ answer: 'outbound', peer: '203.0.113.6:81', original: '203.0.113.6:81' });
    expect(outbound.accepted.at(-1)?.original).toBe('203.0.113.6:81');
  });

  it('shows its real peer when the first connection was redirected and the second is direct', async () => {
    const fd = socketAs(network.pod, application, tcp4);
    expect(await connectOn(fd, '203.0.113.5:80')).toBeNull();
    disconnect(fd);
    expect(
      await counted(node.plane, 'PEER_ANSWERED', async () => {
        expect(await connectOn(fd, '127.0.0.1:8080')).toBeNull();
        expect(endpointText(peerAddress(fd))).toBe('127.0.0.1:8080');
      }),
    ).toBe(0);
    closeFd(fd);
  });

  it('shows what it dialled when the first connection was direct and the second is redirected', async () => {
    const fd = socketAs(network.pod, application, tcp4);
    expect(await connectOn(fd, '127.0.0.1:8080')).toBeNull();
    disconnect(fd);
    expect(await dialOn(fd, '203.0.113.5:80')).toMatchObject({ answer: 'outbound', peer: '203.0.113.5:80' });
  });

  it('shows its real peer when the pod was released between', async () => {
    using own = await createPodNetwork();
    await enrolPod(node.plane, own.pod);
    await using _outbound = await listen(own.pod, proxy, 'outbound', '0.0.0.0:15001');
    await using _real = await listen(own.outside, root, 'real', '0.0.0.0:80');
    const fd = socketAs(own.pod, application, tcp4);
    expect(await connectOn(fd, '203.0.113.5:80')).toBeNull();
    expect(endpointText(localAddress(fd))).toMatch(/^10\.9\.0\.2:/);
    await node.plane.release(own.pod.handle.cookie);
    // what is connected stays as it was
    expect(endpointText(peerAddress(fd))).toBe('203.0.113.5:80');
    disconnect(fd);
    expect(await dialOn(fd, '10.9.0.1:80')).toMatchObject({ answer: 'real', peer: '10.9.0.1:80' });
  });
});
