import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { DestinationKey } from '../../src/abi/gen/index.ts';
import { Size } from '../../src/abi/gen/index.ts';
import { Cleanup } from '../../src/base/cleanup.ts';
import { Pace } from '../../src/base/pace.ts';
import { closeFd, localAddress, peerAddress } from '../../src/kernel/index.ts';
import { ReleasedDestinations } from '../../src/redirect/ebpf/released-destinations.ts';
import { counted, enrolPod } from '../support/enrolment.ts';
import type { PodNetwork } from '../support/network.ts';
import { createPodNetwork } from '../support/network.ts';
import type { Listener } from '../support/tcp.ts';
import { application, connectOn, dial, endpoint, endpointText, listen, proxy, root, socketAs } from '../support/tcp.ts';
import type { TestNode } from '../support/test-node.ts';
import { createTestNode } from '../support/test-node.ts';

const cleanup = new Cleanup();
let node: TestNode;
let network: PodNetwork;
let outbound: Listener;
let inbound: Listener;

beforeAll(async () => {
  node = cleanup.use(await createTestNode());
});

beforeEach(async () => {
  const perTest = new Cleanup();
  network = perTest.use(await createPodNetwork());
  await enrolPod(node.plane, network.pod);
  outbound = perTest.use(await listen(network.pod, proxy, 'outbound', '[::]:15001', { dual: true }));
  inbound = perTest.use(await listen(network.pod, proxy, 'inbound', '[::]:15006', { dual: true }));
  return () => perTest[Symbol.asyncDispose]();
});

afterAll(() => cleanup[Symbol.asyncDispose]());

const rows = () => [...node.plane.maps.destinations.entries()].filter(([{ cookie }]) => cookie === network.pod.handle.cookie);
const count = () => node.plane.maps.destinationCounts.get(network.pod.handle.cookie);
const target = (text: string) => {
  const { address, port } = endpoint(text);
  return { addr: address.length === 16 ? address : Uint8Array.from([...new Uint8Array(10), 255, 255, ...address]), port };
};

/** Dials, and gives what the proxy was told and where it was reached. */
async function redirected(to: string): Promise<{ readonly original: string | null; readonly local: string }> {
  expect((await dial(network.pod, application, to)).answer).toBe('outbound');
  const { original = null, local = '' } = outbound.accepted.at(-1) ?? {};
  return { original, local };
}

describe('the addresses that stand for destinations', () => {
  it('are one for each destination, however often it is dialled, and need no hand-over', async () => {
    expect(
      await counted(node.plane, 'ORIGIN_HANDED_OVER', async () => {
        const first = await redirected('203.0.113.5:80');
        expect(first).toMatchObject({ original: '203.0.113.5:80', local: expect.stringMatching(/^\[::ffff:127\.(19[2-9]|2\d\d)\./) });
        expect(await redirected('203.0.113.5:80')).toEqual(first);
        expect(await redirected('[::ffff:203.0.113.5]:80')).toEqual(first);
        for (const to of ['203.0.113.5:81', '203.0.113.6:80', '[2001:db8::5]:80']) expect((await redirected(to)).original).toBe(to);
      }),
    ).toBe(0);
    expect(rows()).toHaveLength(4);
    expect(count()).toBe(4);
  });

  it('are others when two destinations have one hash', async () => {
    await redirected('203.0.113.5:80');
    const [row] = rows();
    if (row === undefined) throw new Error('no row');
    const [key, value] = row;
    // as if another destination had been here first
    node.plane.maps.destinations.set(key, { ...value, ...target('198.51.100.9:99') });
    const seen = await redirected('203.0.113.5:80');
    expect(seen.original).toBe('203.0.113.5:80');
    expect(rows()).toHaveLength(2);
    expect((await redirected('203.0.113.5:80')).local).toBe(seen.local);
  });

  it('run out for a pod that has dialled very many; its connections are handed over one by one then, and known destinations are not', async () => {
    await redirected('203.0.113.5:80');
    node.plane.maps.destinationCounts.set(network.pod.handle.cookie, Size.POD_DESTINATIONS);
    const handedOver = (to: string) =>
      counted(node.plane, 'ORIGIN_HANDED_OVER', async () => expect((await redirected(to)).original).toBe(to));
    expect(await handedOver('203.0.113.6:80')).toBe(1);
    expect(await handedOver('[2001:db8::6]:80')).toBe(1);
    expect(await handedOver('203.0.113.5:80')).toBe(0);
    expect(rows()).toHaveLength(1);
    expect([...node.plane.maps.handovers.keys()]).toEqual([]);
  });

  it.each(['203.0.113.5:80', '[2001:db8::5]:80'])(
    'tell the proxy what was dialled, not %s, when an application dials one of them',
    async (known) => {
      const { local } = await redirected(known);
      const address = local.replace('[::ffff:', '').replace(/^(127[^\]]*)\]/, '$1');
      expect(await dial(network.pod, application, address)).toMatchObject({ answer: 'outbound', peer: address, original: address });
      expect(outbound.accepted.at(-1)?.original).toBe(address);
      // another port of it is just another port; IPv6 has no range of loopback that is left alone
      const elsewhere = address.replace(/\d+$/, '8080');
      if (known.startsWith('203')) expect((await dial(network.pod, application, elsewhere)).answer).toBe('ECONNREFUSED');
      else expect((await redirected(elsewhere)).original).toBe(elsewhere);
    },
  );

  it('stand for nothing when a neighbour dials them', async () => {
    const { local } = await redirected('[2001:db8::5]:80');
    network.outside.ip('route add fd6d:696c:6c72:6163::/64 via fd00:9::2\n');
    expect((await dial(network.outside, root, local)).answer).toBe('inbound');
    expect(inbound.accepted.at(-1)?.original).toBe(local);
  });

  it('are told apart by pod', async () => {
    using other = await createPodNetwork();
    await enrolPod(node.plane, other.pod);
    await using proxyThere = await listen(other.pod, proxy, 'outbound', '[::]:15001', { dual: true });
    const { local } = await redirected('203.0.113.5:80');
    expect((await dial(other.pod, application, '203.0.113.5:80')).answer).toBe('outbound');
    expect(proxyThere.accepted.at(-1)).toMatchObject({ local, original: '203.0.113.5:80' });
    expect(rows()).toHaveLength(1);
  });

  it('are kept for the connections of a pod that was released, and then removed', async () => {
    const fd = socketAs(network.pod, application, { family: 4, type: 'tcp' });
    expect(await connectOn(fd, '203.0.113.5:80')).toBeNull();
    expect(endpointText(localAddress(fd))).toMatch(/^10\.9\.0\.2:/);
    const released = new ReleasedDestinations(node.plane.maps);
    const look = (minutes: number) => released.remove(performance.now() + minutes * 60_000, new Pace());
    await look(0);
    await look(60);
    expect(rows()).toHaveLength(1);
    await node.plane.release(network.pod.handle.cookie);
    released.release(network.pod.handle.cookie);
    await look(4);
    expect(endpointText(peerAddress(fd))).toBe('203.0.113.5:80');
    await look(6);
    expect(rows()).toEqual([]);
    closeFd(fd);
  });

  it('are removed after an earlier process released their pod, too', async () => {
    const key: DestinationKey = { cookie: 0xffff_0000_0001n, addr: target('127.192.0.1:0').addr };
    node.plane.maps.destinations.set(key, target('203.0.113.5:80'));
    const released = new ReleasedDestinations(node.plane.maps);
    const look = (minutes: number) => released.remove(performance.now() + minutes * 60_000, new Pace());
    await look(0);
    expect(node.plane.maps.destinations.get(key)).not.toBeNull();
    await look(6);
    expect(node.plane.maps.destinations.get(key)).toBeNull();
  });
});
