import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ServiceEntry } from '../../src/api/types.ts';
import { Cleanup } from '../../src/base/cleanup.ts';
import { resetOnClose } from '../../src/kernel/sockets.ts';
import { ServiceWriter } from '../../src/redirect/ebpf/service-writer.ts';
import type { Enrolment } from '../support/enrolment.ts';
import { enrolPod } from '../support/enrolment.ts';
import type { PodNetwork } from '../support/network.ts';
import { createPodNetwork } from '../support/network.ts';
import type { Identity } from '../support/tcp.ts';
import { application, connectOn, dial, endpoint, listen, proxy, readAll, socketAs } from '../support/tcp.ts';
import type { TestNode } from '../support/test-node.ts';
import { createTestNode } from '../support/test-node.ts';

const cleanup = new Cleanup();
let node: TestNode;
let network: PodNetwork;
let services: ServiceWriter;

const joined: Enrolment = { annotations: { 'millrace.io/direct': 'true' } };
const virtual = '10.96.0.20:80';

function service(port: number, affinitySeconds: number, ports: readonly number[]): ServiceEntry {
  return {
    address: '10.96.0.20',
    port,
    protocol: 'TCP',
    affinitySeconds,
    backends: ports.map((to) => ({ address: '10.9.0.1', port: to })),
  };
}

beforeAll(async () => {
  node = cleanup.use(await createTestNode());
  network = cleanup.use(await createPodNetwork());
  services = new ServiceWriter(node.plane.maps);
  // known before they listen, so that the proxies are found when they do
  for (const netns of [network.pod, network.outside]) await enrolPod(node.plane, netns, joined);
  for (const [netns, name] of [
    [network.pod, 'client'],
    [network.outside, 'server'],
  ] as const) {
    cleanup.use(await listen(netns, proxy, `${name}'s outbound proxy`, '[::]:15001', { dual: true }));
    cleanup.use(await listen(netns, proxy, `${name}'s inbound proxy`, '[::]:15006', { dual: true }));
  }
  for (const port of ['8080', '8081', '8082', '8083'])
    cleanup.use(await listen(network.outside, application, port, `[::]:${port}`, { dual: true }));
});

beforeEach(async () => {
  services.write([service(80, 0, [8080])]);
  await enrolPod(node.plane, network.pod, joined);
  await enrolPod(node.plane, network.outside, joined);
});

afterAll(() => cleanup[Symbol.asyncDispose]());

const answer = async (to: string): Promise<string> => (await dial(network.pod, application, to)).answer;

describe('two pods that are joined', () => {
  it.each(['10.9.0.1:8080', '[::ffff:10.9.0.1]:8080', '[fd00:9::1]:8080'])('speak without their proxies: %s', async (to) => {
    expect(await answer(to)).toBe('8080');
  });

  it('speak without their proxies when the client dials a service, and it sees the service as its peer', async () => {
    const seen = await dial(network.pod, application, virtual);
    expect(seen).toMatchObject({ answer: '8080', peer: virtual });
  });

  it('go through the proxies for everything else', async () => {
    expect(await answer('203.0.113.7:80')).toBe("client's outbound proxy");
    expect((await dial(network.pod, proxy, '10.9.0.1:8080')).answer).toBe("server's inbound proxy");
  });

  it("go to the server's proxy when the proxy calls from a port that an application had", async () => {
    const from = async (who: Identity): Promise<string> => {
      const fd = socketAs(network.pod, who, { family: 4, type: 'tcp', bind: endpoint('10.9.0.2:4444'), reuse: true });
      const outcome = await connectOn(fd, '10.9.0.1:8080');
      if (outcome !== null) return outcome;
      const text = readAll(fd);
      // without an end of its own the tuple would wait out its time
      resetOnClose(fd);
      return text;
    };
    expect(await from(application)).toBe('8080');
    expect(await from(proxy)).toBe("server's inbound proxy");
    expect(await from(application)).toBe('8080');
  });
});

describe('one pod that wants it alone', () => {
  it.each<[string, Enrolment, Enrolment, string]>([
    ['the client', joined, {}, "client's outbound proxy"],
    ['the server', {}, joined, "client's outbound proxy"],
  ])('stays behind the proxies: %s', async (_who, client, server, expected) => {
    await enrolPod(node.plane, network.pod, client);
    await enrolPod(node.plane, network.outside, server);
    expect(await answer('10.9.0.1:8080')).toBe(expected);
    expect(await answer(virtual)).toBe(expected);
  });
});

describe('a service with session affinity', () => {
  const many = [8080, 8081, 8082, 8083];
  const distinct = async (count: number): Promise<Set<string>> =>
    new Set(await Promise.all(Array.from({ length: count }, () => answer(virtual))));

  it('gives a client the same backend again and again, and another one when that is gone', async () => {
    services.write([service(80, 0, many)]);
    expect((await distinct(40)).size).toBeGreaterThan(1);
    services.write([service(80, 60, many)]);
    const [kept] = await distinct(40);
    expect(await distinct(40)).toEqual(new Set([kept]));
    // an update that leaves it in its place or moves it
    services.write([service(80, 60, [...many].reverse())]);
    expect(await distinct(20)).toEqual(new Set([kept]));
    services.write([
      service(
        80,
        60,
        many.filter((port) => String(port) !== kept),
      ),
    ]);
    const [next] = await distinct(20);
    expect(next).not.toBe(kept);
    expect(await distinct(20)).toEqual(new Set([next]));
  });
});
