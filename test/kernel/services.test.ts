import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ServiceEntry } from '../../src/api/types.ts';
import { Cleanup } from '../../src/base/cleanup.ts';
import { ServiceWriter } from '../../src/redirect/ebpf/service-writer.ts';
import type { Enrolment } from '../support/enrolment.ts';
import { counted, enrolPod } from '../support/enrolment.ts';
import type { PodNetwork } from '../support/network.ts';
import { createPodNetwork } from '../support/network.ts';
import type { Identity, Listener } from '../support/tcp.ts';
import { application, dial, listen, proxy, root } from '../support/tcp.ts';
import type { TestNode } from '../support/test-node.ts';
import { createTestNode } from '../support/test-node.ts';

const cleanup = new Cleanup();
let node: TestNode;
let network: PodNetwork;
let writer: ServiceWriter;
let backends: readonly Listener[];

/** A service of TCP with backends on the outside host; the virtual addresses are routed to nowhere but there, where nobody listens on them. */
function service(address: string, port: number, to: readonly string[]): ServiceEntry {
  const parsed = to.map((text) => /^\[?([^\]]+?)\]?:(\d+)$/.exec(text));
  return { address, port, protocol: 'TCP', backends: parsed.map((match) => ({ address: match?.[1] ?? '', port: Number(match?.[2]) })) };
}

const four = service('10.96.0.10', 80, ['10.9.0.1:8001', '10.9.0.1:8002', '10.9.0.1:8003']);
const six = service('fd00:96::10', 80, ['[fd00:9::1]:8001']);

beforeAll(async () => {
  node = cleanup.use(await createTestNode());
  network = cleanup.use(await createPodNetwork());
  network.outside.ip('addr add 10.96.0.10/32 dev lo\naddr add fd00:96::10/128 dev lo\naddr add 10.96.0.11/32 dev lo\n');
  writer = new ServiceWriter(node.plane.maps);
  backends = await Promise.all(['8001', '8002', '8003'].map((port) => listen(network.outside, root, port, `[::]:${port}`, { dual: true })));
  for (const backend of backends) cleanup.use(backend);
});

afterAll(() => cleanup[Symbol.asyncDispose]());

beforeEach(async () => {
  writer.write([four, six]);
  await enrolPod(node.plane, network.pod, { meshed: false });
});

describe('an unmeshed pod', () => {
  it.each([
    ['IPv4', '10.96.0.10:80', /^800[123]$/],
    ['IPv6', '[fd00:96::10]:80', /^8001$/],
    ['v4-mapped', '[::ffff:10.96.0.10]:80', /^800[123]$/],
  ])('reaches a backend and sees the service as its peer when it dials one over %s', async (_family, to, answer) => {
    const seen = await dial(network.pod, application, to);
    expect(seen.answer).toMatch(answer);
    expect(seen.peer).toBe(to);
  });

  it('sees its own address at the backend when it dials a service', async () => {
    const before = backends.map(({ accepted }) => accepted.length);
    const seen = await dial(network.pod, application, '10.96.0.10:80');
    const index = ['8001', '8002', '8003'].indexOf(seen.answer);
    expect(backends[index]?.accepted[before[index] ?? 0]?.peer).toBe(`[::ffff:10.9.0.2]:${seen.local.split(':')[1]}`);
  });

  it('is spread over all backends when it dials often', async () => {
    const answers = await Promise.all(
      Array.from({ length: 120 }, async () => (await dial(network.pod, application, '10.96.0.10:80')).answer),
    );
    const shares = ['8001', '8002', '8003'].map((name) => answers.filter((answer) => answer === name).length);
    expect(shares.reduce((sum, share) => sum + share)).toBe(120);
    // 40 expected of each; under 10 is once in 10^10
    for (const share of shares) expect(share).toBeGreaterThan(10);
  });

  it('is left alone when the address, the port, or the family is no service, or the service has no backends', async () => {
    writer.write([four, { ...four, address: '10.96.0.11', backends: [] }]);
    for (const to of ['10.96.0.10:81', '10.96.0.11:80', '[fd00:96::10]:80']) {
      expect(await counted(node.plane, 'OUTBOUND_TRANSLATED', () => dial(network.pod, application, to))).toBe(0);
      expect((await dial(network.pod, application, to)).answer).toBe('ECONNREFUSED');
    }
    expect((await dial(network.pod, application, '10.9.0.1:8002')).answer).toBe('8002');
  });

  it('is left alone when the namespace is not enrolled', async () => {
    await node.plane.release(network.pod.handle.cookie);
    expect((await dial(network.pod, application, '10.96.0.10:80')).answer).toBe('ECONNREFUSED');
  });
});

const exclude = { 'traffic.sidecar.istio.io/excludeOutboundIPRanges': '10.96.0.0/16' };

describe('a meshed pod', () => {
  it.each<[what: string, wanted: Enrolment, who: Identity, answer: RegExp]>([
    ['goes to the proxy untranslated when the flow is captured', {}, application, /^outbound$/],
    ['is translated when the flow is excluded', { annotations: exclude }, application, /^800[123]$/],
    ['is translated when the proxy dials', {}, proxy, /^800[123]$/],
    ['is translated when the mode is NONE', { annotations: { 'sidecar.istio.io/interceptionMode': 'NONE' } }, application, /^800[123]$/],
    [
      'is left to the rules untouched when iptables redirects and the flow is captured',
      { backend: 'iptables' },
      application,
      /^ECONNREFUSED$/,
    ],
    [
      'is translated when iptables redirects and the flow is excluded',
      { backend: 'iptables', annotations: exclude },
      application,
      /^800[123]$/,
    ],
    ['is translated when iptables redirects and the proxy dials', { backend: 'iptables' }, proxy, /^800[123]$/],
  ])('%s', async (_what, wanted, who, answer) => {
    await enrolPod(node.plane, network.pod, wanted);
    await using _outbound = await listen(network.pod, proxy, 'outbound', '[::]:15001', { dual: true });
    const seen = await dial(network.pod, who, '10.96.0.10:80');
    expect(seen.answer).toMatch(answer);
    expect(seen.peer).toBe(seen.answer === 'ECONNREFUSED' ? 'none' : '10.96.0.10:80');
  });
});

describe('ServiceWriter.write()', () => {
  const generations = (): readonly number[] => [...node.plane.maps.services.entries()].map(([, { generation }]) => generation);

  it('changes nothing when the list is the same', () => {
    const before = generations();
    writer.write([four, six]);
    expect(generations()).toEqual(before);
  });

  it('leaves exactly what the list names when services and backends come and go', () => {
    writer.write([four]);
    expect([...node.plane.maps.services.keys()]).toHaveLength(1);
    expect([...node.plane.maps.backends.keys()]).toHaveLength(3);
    writer.write([{ ...four, backends: four.backends.slice(0, 1) }]);
    expect([...node.plane.maps.backends.keys()]).toHaveLength(1);
    writer.write([]);
    expect([...node.plane.maps.services.keys(), ...node.plane.maps.backends.keys()]).toEqual([]);
  });

  it('uses other generations than the ones in the kernel when a new agent writes first', async () => {
    const before = new Set(generations());
    const next = new ServiceWriter(node.plane.maps);
    next.write([four, six]);
    expect(generations().filter((generation) => before.has(generation))).toEqual([]);
    expect((await dial(network.pod, application, '10.96.0.10:80')).answer).toMatch(/^800[123]$/);
  });

  it('lets no connection past when it replaces the backends over and over', async () => {
    let updating = true;
    const update = async (): Promise<void> => {
      for (let round = 0; updating; round += 1) {
        writer.write([{ ...four, backends: four.backends.slice(round % 2) }, six]);
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    const updates = update();
    const answers = new Set<string>();
    for (let round = 0; round < 20; round += 1) {
      const some = await Promise.all(Array.from({ length: 10 }, () => dial(network.pod, application, '10.96.0.10:80')));
      for (const { answer } of some) answers.add(answer);
    }
    updating = false;
    await updates;
    expect([...answers].sort()).toEqual(['8001', '8002', '8003']);
  });
});
