import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cleanup } from '../../src/base/cleanup.ts';
import { defaultRedirectConfig, redirectConfigFromAnnotations } from '../../src/pods/annotations.ts';
import { viewNetns } from '../../src/redirect/ebpf/netns-view.ts';
import { ensureSpreadRoute } from '../../src/redirect/ebpf/spread-route.ts';
import { compileTables } from '../../src/redirect/ebpf/tables.ts';
import type { PodNetwork } from '../support/network.ts';
import { createPodNetwork } from '../support/network.ts';
import type { Identity, Listener } from '../support/tcp.ts';
import { application, dial, listen, proxy, root } from '../support/tcp.ts';
import type { TestNode } from '../support/test-node.ts';
import { createTestNode } from '../support/test-node.ts';

const cleanup = new Cleanup();
let node: TestNode;
let network: PodNetwork;
let outbound: Listener;
let inbound: Listener;

async function enrol(annotations: Record<string, string> = {}): Promise<void> {
  const { handle, path } = network.pod;
  expect(await ensureSpreadRoute(path)).toBeNull();
  const facts = {
    name: 'test/pod',
    cookie: handle.cookie,
    ...viewNetns(handle),
    backend: 'sk_lookup' as const,
    meshed: true,
    uidMap: null,
    spread6: true,
  };
  await node.plane.enrol(handle, compileTables(facts, redirectConfigFromAnnotations('test/pod', annotations)));
}

beforeAll(async () => {
  node = cleanup.use(await createTestNode());
  network = cleanup.use(await createPodNetwork());
  await enrol();
  outbound = cleanup.use(await listen(network.pod, proxy, 'outbound', '[::]:15001', { dual: true }));
  inbound = cleanup.use(await listen(network.pod, proxy, 'inbound', '[::]:15006', { dual: true }));
  cleanup.use(await listen(network.pod, application, 'app', '[::]:8080', { dual: true }));
  cleanup.use(await listen(network.pod, application, 'tunnel', '[::]:15008', { dual: true }));
  cleanup.use(await listen(network.pod, application, 'status', '[::]:15020', { dual: true }));
  cleanup.use(await listen(network.outside, root, 'real', '0.0.0.0:80'));
});

afterAll(() => cleanup[Symbol.asyncDispose]());

/** `[::ffff:10.0.0.1]:80` as `10.0.0.1:80` */
function plain(text: string | undefined): string | undefined {
  return text?.replace(/^\[::ffff:([\d.]+)\]/, '$1');
}

const gidOnly: Identity = { uid: 1000, gid: 1337 };
const uidOnly: Identity = { uid: 1337, gid: 1000 };

describe('connect', () => {
  it.each<[row: string, who: Identity, to: string, from: string | undefined, answer: string, original: string | null]>([
    ['OUT-01', application, '203.0.113.5:80', undefined, 'outbound', '203.0.113.5:80'],
    ['OUT-02', root, '203.0.113.5:80', undefined, 'outbound', '203.0.113.5:80'],
    ['OUT-03', application, '[::ffff:203.0.113.5]:80', undefined, 'outbound', '203.0.113.5:80'],
    ['OUT-04', application, '203.0.113.5:80', '10.9.0.22:0', 'outbound', '203.0.113.5:80'],
    ['OUT-05', application, '203.0.113.5:15008', undefined, 'outbound', '203.0.113.5:15008'],
    ['OUT-07', application, '127.0.0.1:8080', undefined, 'app', null],
    ['OUT-08', application, '127.0.0.6:8080', undefined, 'app', null],
    ['OUT-09', application, '10.9.0.2:8080', undefined, 'app', null],
    ['OUT-09 secondary', application, '10.9.0.22:8080', undefined, 'app', null],
    ['OUT-10', application, '10.9.0.2:8080', '127.0.0.6:0', 'app', null],
    ['OUT-12', proxy, '10.9.0.1:80', undefined, 'real', null],
    ['OUT-13', proxy, '127.0.0.1:8080', undefined, 'app', null],
    ['OUT-14', proxy, '127.0.0.2:8080', undefined, 'inbound', '127.0.0.2:8080'],
    ['OUT-15', proxy, '10.9.0.2:8080', undefined, 'inbound', '10.9.0.2:8080'],
    ['OUT-16', proxy, '10.9.0.22:8080', undefined, 'inbound', '10.9.0.22:8080'],
    ['OUT-17', proxy, '10.9.0.2:8080', '127.0.0.6:0', 'app', null],
    ['OUT-18', proxy, '10.9.0.2:15008', undefined, 'tunnel', null],
    ['OUT-19', proxy, '10.9.0.2:15020', undefined, 'inbound', '10.9.0.2:15020'],
    ['OUT-23 off-pod', gidOnly, '10.9.0.1:80', undefined, 'real', null],
    ['OUT-23 own address', gidOnly, '10.9.0.2:8080', undefined, 'app', null],
    ['OUT-24 off-pod', uidOnly, '10.9.0.1:80', undefined, 'real', null],
    ['OUT-24 own address', uidOnly, '10.9.0.2:8080', undefined, 'inbound', '10.9.0.2:8080'],
    ['OUT-26', proxy, '127.0.0.6:15002', '127.0.0.1:0', 'inbound', '127.0.0.6:15002'],
    ['V6-01', application, '[2001:db8::5]:80', undefined, 'outbound', '[2001:db8::5]:80'],
    ['V6-02', application, '[::1]:8080', undefined, 'app', null],
    ['V6-03', application, '[fd00:9::2]:8080', undefined, 'app', null],
    ['V6-06', proxy, '[fd00:9::2]:8080', undefined, 'inbound', '[fd00:9::2]:8080'],
    ['V6-07', proxy, '[fd00:9::2]:8080', '[::6]:0', 'app', null],
    ['V6-08', proxy, '[::6]:15002', '[::1]:0', 'inbound', '[::6]:15002'],
    ['V6-10', proxy, '[fd00:9::2]:15008', undefined, 'tunnel', null],
  ])('%s: %o to %s from %s reaches %s with destination %s', async (_row, who, to, from, answer, original) => {
    const before = { outbound: outbound.accepted.length, inbound: inbound.accepted.length };
    const seen = await dial(network.pod, who, to, from === undefined ? {} : { from });
    expect(seen.answer).toBe(answer);
    expect(seen.peer).toBe(to);
    const listener = answer === 'outbound' ? outbound : inbound;
    const accepted = listener.accepted[answer === 'outbound' ? before.outbound : before.inbound];
    if (original === null) {
      expect(accepted).toBeUndefined();
      return;
    }
    expect(accepted?.original).toBe(original);
    expect(seen.original).toBe(original);
    // the proxy sees the very address that the application has, and never the other way round
    expect(plain(accepted?.peer)).toBe(plain(seen.local));
  });

  it('gives the proxy the pod address as peer', async () => {
    await dial(network.pod, application, '203.0.113.7:80');
    expect(outbound.accepted.at(-1)?.peer).toMatch(/^\[::ffff:10\.9\.0\.2\]:\d+$/);
    await dial(network.pod, application, '[2001:db8::7]:80');
    expect(outbound.accepted.at(-1)?.peer).toMatch(/^\[fd00:9::2\]:\d+$/);
  });

  it.each([
    ['IPv4', '10.9.0.2:5555', '203.0.113.%:80'],
    ['IPv6', '[fd00:9::2]:5555', '[2001:db8::%]:80'],
  ])('keeps one source port usable for three destinations over %s (OUT-31)', async (_family, from, pattern) => {
    const targets = ['1', '2', '3'].map((last) => pattern.replace('%', last));
    const before = outbound.accepted.length;
    const seen = await Promise.all(targets.map((to) => dial(network.pod, application, to, { from, reuse: true })));
    expect(seen.map(({ answer }) => answer)).toEqual(['outbound', 'outbound', 'outbound']);
    expect(seen.map(({ local }) => local)).toEqual([from, from, from]);
    expect(
      outbound.accepted
        .slice(before)
        .map(({ original }) => original)
        .sort(),
    ).toEqual(targets);
  });
});

describe('sk_lookup', () => {
  it.each<[row: string, to: string, answer: string, original: string | null]>([
    ['IN-01', '10.9.0.2:8080', 'inbound', '10.9.0.2:8080'],
    ['IN-02', '10.9.0.2:9999', 'inbound', '10.9.0.2:9999'],
    ['IN-03', '10.9.0.2:15001', 'inbound', '10.9.0.2:15001'],
    ['IN-04', '10.9.0.2:15006', 'inbound', '10.9.0.2:15006'],
    ['IN-05', '10.9.0.2:15008', 'tunnel', null],
    ['IN-06', '10.9.0.2:15020', 'status', null],
    ['IN-07', '10.9.0.22:8080', 'inbound', '10.9.0.22:8080'],
    ['IN-01 v6', '[fd00:9::2]:8080', 'inbound', '[fd00:9::2]:8080'],
    ['IN-05 v6', '[fd00:9::2]:15008', 'tunnel', null],
  ])('%s: from outside to %s reaches %s with destination %s', async (_row, to, answer, original) => {
    const before = inbound.accepted.length;
    const seen = await dial(network.outside, root, to);
    expect(seen.answer).toBe(answer);
    expect(inbound.accepted[before]?.original ?? null).toBe(original);
    if (original !== null) expect(plain(inbound.accepted[before]?.peer)).toBe(seen.local);
  });

  it('keeps one source port usable for three ports of the pod (IN-13)', async () => {
    const targets = ['10.9.0.2:8080', '10.9.0.2:8081', '10.9.0.2:8082'];
    const seen = await Promise.all(targets.map((to) => dial(network.outside, root, to, { from: '10.9.0.1:5556', reuse: true })));
    expect(seen.map(({ answer }) => answer)).toEqual(['inbound', 'inbound', 'inbound']);
  });
});

describe('annotations', () => {
  it('leave excluded ports and ranges alone and apply to new connections at once', async () => {
    await enrol({
      'traffic.sidecar.istio.io/excludeOutboundPorts': '443',
      'traffic.sidecar.istio.io/excludeOutboundIPRanges': '10.9.0.0/24',
    });
    expect((await dial(network.pod, application, '10.9.0.1:80')).answer).toBe('real');
    expect((await dial(network.pod, application, '10.9.0.1:443')).answer).toBe('ECONNREFUSED');
    await enrol({ 'traffic.sidecar.istio.io/includeInboundPorts': '8081', 'traffic.sidecar.istio.io/excludeInboundPorts': '8081' });
    expect((await dial(network.outside, root, '10.9.0.2:8080')).answer).toBe('app');
    expect((await dial(network.outside, root, '10.9.0.2:8081')).answer).toBe('inbound');
    await enrol();
    expect((await dial(network.pod, application, '10.9.0.1:80')).answer).toBe('outbound');
    expect(defaultRedirectConfig.outboundRanges.kind).toBe('all');
  });
});

describe('a proxy that is down', () => {
  it('means ECONNREFUSED both ways, and never a bypass', async () => {
    const pod = await createPodNetwork();
    try {
      const facts = { name: 'test/down', cookie: pod.pod.handle.cookie, ...viewNetns(pod.pod.handle) };
      const tables = compileTables({ ...facts, backend: 'sk_lookup', meshed: true, uidMap: null, spread6: false }, defaultRedirectConfig);
      await using app = await listen(pod.pod, application, 'app', '0.0.0.0:8080');
      await node.plane.enrol(pod.pod.handle, tables);
      expect((await dial(pod.pod, application, '10.9.0.1:80')).answer).toBe('ECONNREFUSED');
      expect((await dial(pod.outside, root, '10.9.0.2:8080')).answer).toBe('ECONNREFUSED');
      expect(app.accepted).toEqual([]);
    } finally {
      pod[Symbol.dispose]();
    }
  });
});

describe('the tables', () => {
  it('hold no original destination after all connections ended', () => {
    expect([...node.plane.maps.handovers.entries()]).toEqual([]);
  });
});
