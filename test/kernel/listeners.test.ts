import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { EventKind } from '../../src/abi/gen/index.ts';
import { Cleanup } from '../../src/base/cleanup.ts';
import { formatIp, unmapIp } from '../../src/pods/address.ts';
import { isListening } from '../../src/redirect/ebpf/listeners.ts';
import { collectEvents, counted, enrolPod } from '../support/enrolment.ts';
import type { PodNetwork } from '../support/network.ts';
import { createPodNetwork } from '../support/network.ts';
import type { Listener } from '../support/tcp.ts';
import { application, dial, listen, proxy, root } from '../support/tcp.ts';
import type { TestNode } from '../support/test-node.ts';
import { createTestNode } from '../support/test-node.ts';

const cleanup = new Cleanup();
let node: TestNode;
let network: PodNetwork;

beforeAll(async () => {
  node = cleanup.use(await createTestNode());
});

afterAll(() => cleanup[Symbol.asyncDispose]());

beforeEach(async () => {
  network = await createPodNetwork();
  await enrolPod(node.plane, network.pod);
});

afterEach(async () => {
  await node.plane.release(network.pod.handle.cookie);
  network[Symbol.dispose]();
});

const answerTo = async (to: string, options: { from?: string } = {}) => (await dial(network.pod, application, to, options)).answer;
const answerFromOutside = async (to: string) => (await dial(network.outside, root, to)).answer;

/** Everybody's connections to the proxy that a stranger's listeners might catch. */
async function connections(): Promise<readonly string[]> {
  return [
    await answerTo('203.0.113.5:80'),
    await answerTo('[::ffff:203.0.113.5]:80'),
    await answerTo('[2001:db8::5]:80'),
    // a port without an address: such a socket keeps the destination that its route wants
    await answerTo('203.0.113.5:81', { from: '0.0.0.0:5557' }),
    (await dial(network.pod, proxy, '10.9.0.2:8080')).answer,
    await answerFromOutside('10.9.0.2:8080'),
    await answerFromOutside('[fd00:9::2]:8080'),
  ];
}

const allRefused = Array.from({ length: 7 }, () => 'ECONNREFUSED');

describe('a stranger on the ports of the proxy', () => {
  it.each([true, false])('is never used when no proxy listens (IPv6 spread: %s)', async (spread6) => {
    await enrolPod(node.plane, network.pod, { spread6 });
    await using outbound = await listen(network.pod, application, 'stranger', '[::]:15001', { dual: true });
    await using inbound = await listen(network.pod, root, 'stranger', '[::]:15006', { dual: true });
    expect(await connections()).toEqual(allRefused);
    expect([...outbound.accepted, ...inbound.accepted]).toEqual([]);
    expect(isListening(node.plane.maps, network.pod.handle.cookie, 15001)).toBe(false);
  });

  it.each([
    ['everywhere', '0.0.0.0'],
    ['on 127.0.0.1 alone', '127.0.0.1'],
  ])('is never used when the proxy listened %s and left', async (_where, address) => {
    {
      await using _outbound = await listen(network.pod, proxy, 'outbound', `${address}:15001`);
      await using _inbound = await listen(network.pod, proxy, 'inbound', `${address}:15006`);
      expect(await answerTo('203.0.113.5:80')).toBe('outbound');
    }
    await using outbound = await listen(network.pod, application, 'stranger', '[::]:15001', { dual: true });
    await using inbound = await listen(network.pod, application, 'stranger', '[::]:15006', { dual: true });
    expect(await connections()).toEqual(allRefused);
    expect([...outbound.accepted, ...inbound.accepted]).toEqual([]);
  });

  it('does not take connections from the proxy when it listens on the other family of the port', async () => {
    await using _stranger = await listen(network.pod, application, 'stranger', '[::]:15001');
    await using _outbound = await listen(network.pod, proxy, 'outbound', '0.0.0.0:15001');
    expect(await answerTo('203.0.113.5:80')).toBe('outbound');
    expect(await answerTo('[2001:db8::5]:80')).toBe('ECONNREFUSED');
  });

  it('is reached when it is dialled itself', async () => {
    await using _stranger = await listen(network.pod, application, 'stranger', '0.0.0.0:15001');
    expect(await answerTo('127.0.0.1:15001')).toBe('stranger');
    expect(await answerTo('10.9.0.2:15001')).toBe('stranger');
  });

  it('is reported with uid, port and family when it listens', async () => {
    using ring = collectEvents(node.plane, network.pod);
    const foreign = await counted(node.plane, 'LISTENER_FOREIGN', async () => {
      await using _stranger = await listen(network.pod, application, 'stranger', '10.9.0.2:15006');
      await using _app = await listen(network.pod, application, 'app', '10.9.0.2:15007');
    });
    expect(foreign).toBe(1);
    const { cookie } = network.pod.handle;
    await expect
      .poll(() => ring.events)
      .toMatchObject([{ kind: EventKind.LISTENER_FOREIGN, cookie, uid: 1000, port: 15006, family: 4, error: 0 }]);
    expect(ring.events.map(({ addr }) => formatIp(unmapIp({ family: 6, bytes: addr })))).toEqual(['10.9.0.2']);
  });
});

describe('listeners of the proxy', () => {
  it('are reported and known when they listen, and forgotten when they close', async () => {
    using ring = collectEvents(node.plane, network.pod);
    const { cookie } = network.pod.handle;
    {
      await using _outbound = await listen(network.pod, proxy, 'outbound', '[::]:15001', { dual: true });
      await expect
        .poll(() => ring.events)
        .toMatchObject([{ kind: EventKind.LISTENER, cookie, uid: 1337, port: 15001, family: 6, error: 0 }]);
      expect(isListening(node.plane.maps, cookie, 15001)).toBe(true);
      expect(isListening(node.plane.maps, cookie, 15006)).toBe(false);
    }
    expect(isListening(node.plane.maps, cookie, 15001)).toBe(false);
  });

  it.each([2, 4, 9])('serve as one group of %d when one of them closes', async (size) => {
    const group: Listener[] = [];
    for (let index = 0; index < size; index += 1) group.push(await listen(network.pod, proxy, 'inbound', '0.0.0.0:15006'));
    const [first, ...others] = group;
    await first?.[Symbol.asyncDispose]();
    const answers = await Promise.all(Array.from({ length: 40 }, () => answerFromOutside('10.9.0.2:8080')));
    expect(new Set(answers)).toEqual(new Set(['inbound']));
    expect(others.reduce((sum, { accepted }) => sum + accepted.length, 0)).toBe(40);
    // the kernel spreads over the whole group, also over those without a slot
    expect(others.filter(({ accepted }) => accepted.length > 0).length).toBeGreaterThan(size === 2 ? 0 : 1);
    for (const listener of others) await listener[Symbol.asyncDispose]();
    expect(await answerFromOutside('10.9.0.2:8080')).toBe('ECONNREFUSED');
  });

  it('serve without a gap when a new proxy listens beside one that fills all slots, which then leaves', async () => {
    const old: Listener[] = [];
    for (let index = 0; index < 6; index += 1) old.push(await listen(network.pod, proxy, 'old', '0.0.0.0:15001'));
    await using _young = await listen(network.pod, proxy, 'young', '0.0.0.0:15001');
    for (const listener of old) await listener[Symbol.asyncDispose]();
    expect(await answerTo('203.0.113.5:80')).toBe('young');
  });

  it('serve again when the proxy restarts', async () => {
    for (const round of ['first', 'second', 'third']) {
      {
        await using _outbound = await listen(network.pod, proxy, round, '[::]:15001', { dual: true });
        await using _inbound = await listen(network.pod, proxy, round, '[::]:15006', { dual: true });
        expect(await connections()).toEqual(Array.from({ length: 7 }, () => round));
      }
      expect(await connections()).toEqual(allRefused);
    }
  });
});

describe('a proxy that listens on loopback alone', () => {
  it.each(['sk_lookup', 'bind'] as const)(
    'is dialled there and sees where applications and istio-validation wanted to go when the back end is %s (OUT-26)',
    async (backend) => {
      await enrolPod(node.plane, network.pod, { backend });
      for (const [loopback, outside, passthrough] of [
        ['127.0.0.1', '203.0.113.5', '127.0.0.6'],
        ['[::1]', '[2001:db8::5]', '[::6]'],
      ] as const) {
        await using outbound = await listen(network.pod, proxy, 'outbound', `${loopback}:15001`);
        await using inbound = await listen(network.pod, proxy, 'inbound', `${loopback}:15006`);
        expect(await answerTo(`${outside}:80`)).toBe('outbound');
        expect(outbound.accepted).toMatchObject([{ local: `${loopback}:15001`, original: `${outside}:80` }]);
        expect((await dial(network.pod, proxy, `${passthrough}:15002`, { from: `${loopback}:0` })).answer).toBe('inbound');
        expect(inbound.accepted).toMatchObject([{ original: `${passthrough}:15002` }]);
      }
    },
  );

  it('gets what comes from outside when sk_lookup steers', async () => {
    await using _inbound = await listen(network.pod, proxy, 'inbound', '127.0.0.1:15006');
    expect(await answerFromOutside('10.9.0.2:8080')).toBe('inbound');
  });

  it('serves IPv4 and only IPv4 when it listens on ::ffff:127.0.0.1', async () => {
    await using _outbound = await listen(network.pod, proxy, 'outbound', '[::ffff:127.0.0.1]:15001', { dual: true });
    expect(await answerTo('203.0.113.5:80')).toBe('outbound');
    expect(await answerTo('[2001:db8::5]:80')).toBe('ECONNREFUSED');
  });

  it('is followed when it moves to all addresses', async () => {
    {
      await using _narrow = await listen(network.pod, proxy, 'narrow', '127.0.0.1:15001');
      expect(await answerTo('203.0.113.5:80')).toBe('narrow');
    }
    await using wide = await listen(network.pod, proxy, 'wide', '0.0.0.0:15001');
    expect(await answerTo('203.0.113.5:80')).toBe('wide');
    expect(wide.accepted[0]?.local).not.toBe('127.0.0.1:15001');
  });
});
