import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Cleanup } from '../../src/base/cleanup.ts';
import { adoptListeners } from '../../src/redirect/ebpf/listeners.ts';
import type { Dialling } from '../support/dialling-process.ts';
import { startDialling } from '../support/dialling-process.ts';
import { enrolPod, podTables } from '../support/enrolment.ts';
import { startListening } from '../support/listening-process.ts';
import type { PodNetwork } from '../support/network.ts';
import { createPodNetwork } from '../support/network.ts';
import type { Listener } from '../support/tcp.ts';
import { application, listen, proxy, root } from '../support/tcp.ts';
import type { TestNode } from '../support/test-node.ts';
import { createTestNode } from '../support/test-node.ts';

const cleanup = new Cleanup();
let node: TestNode;
let network: PodNetwork;
let perTest: Cleanup;
let dialling: readonly Dialling[];

beforeAll(async () => {
  node = cleanup.use(await createTestNode());
});

afterAll(() => cleanup[Symbol.asyncDispose]());

beforeEach(async () => {
  perTest = new Cleanup();
  network = perTest.use(await createPodNetwork());
  perTest.use(await listen(network.outside, root, 'real', '0.0.0.0:80'));
  perTest.use(await listen(network.pod, application, 'app', '[::]:8080', { dual: true }));
});

afterEach(async () => {
  await node.plane.release(network.pod.handle.cookie);
  await perTest[Symbol.asyncDispose]();
});

async function startTraffic(): Promise<void> {
  dialling = [
    perTest.use(await startDialling(network.pod, application, ['10.9.0.1:80'])),
    perTest.use(await startDialling(network.outside, root, ['10.9.0.2:8080', 'fd00:9::2:8080'])),
  ];
}

/** What the connections to any target were answered with, and how often. */
async function answers(): Promise<Readonly<Record<string, number>>> {
  const all: Record<string, number> = {};
  for (const dialler of dialling) {
    for (const [line, count] of Object.entries(await dialler.stop())) {
      const answer = line.split(' ').slice(2).join(' ');
      all[answer] = (all[answer] ?? 0) + count;
    }
  }
  return all;
}

async function startProxy(name: string): Promise<readonly Listener[]> {
  return [
    await listen(network.pod, proxy, name, '[::]:15001', { dual: true }),
    await listen(network.pod, proxy, name, '[::]:15006', { dual: true }),
  ];
}

/** Lets every target be dialled, wholly, in the state that things are in. */
const meetTraffic = () => Promise.all(dialling.map((dialler) => dialler.more(5)));

describe('a proxy that restarts under traffic', () => {
  it('fails no connection when the next one listens before the last one leaves', async () => {
    // a socket that leaves gives what it has not accepted yet to its siblings
    network.pod.sysctl('ipv4/tcp_migrate_req', '1');
    await enrolPod(node.plane, network.pod);
    let current = await startProxy('proxy 0');
    await startTraffic();
    for (let round = 1; round <= 6; round += 1) {
      const next = await startProxy(`proxy ${round}`);
      await meetTraffic();
      for (const listener of current) await listener[Symbol.asyncDispose]();
      await meetTraffic();
      current = next;
    }
    const seen = await answers();
    for (const listener of current) await listener[Symbol.asyncDispose]();
    expect(Object.keys(seen).sort()).toEqual(['proxy 0', 'proxy 1', 'proxy 2', 'proxy 3', 'proxy 4', 'proxy 5', 'proxy 6']);
  });

  it('is missed by refusals, never by a bypass, when it is killed', async () => {
    await enrolPod(node.plane, network.pod);
    let current = await startListening(network.pod, proxy, 'proxy 0', [':::15001', ':::15006']);
    await startTraffic();
    for (let round = 1; round <= 3; round += 1) {
      await meetTraffic();
      await current[Symbol.asyncDispose]();
      await meetTraffic();
      current = await startListening(network.pod, proxy, `proxy ${round}`, [':::15001', ':::15006']);
    }
    await meetTraffic();
    const { ECONNREFUSED: refused, ECONNRESET: _cut, '': _silent, ...served } = await answers();
    await current[Symbol.asyncDispose]();
    expect(refused).toBeGreaterThan(0);
    expect(Object.keys(served).sort()).toEqual(['proxy 0', 'proxy 1', 'proxy 2', 'proxy 3']);
  });
});

describe('a proxy that was there first', () => {
  it('is adopted without a connection that passes it by or, once adopted, fails', async () => {
    await using _proxy = await startListening(network.pod, proxy, 'proxy', [':::15001', ':::15006']);
    await enrolPod(node.plane, network.pod);
    await startTraffic();
    await meetTraffic();
    expect(await adoptListeners(node.plane.maps, network.pod.handle, podTables(network.pod).pod)).toBe(2);
    await meetTraffic();
    expect(Object.keys(await answers()).sort()).toEqual(['ECONNREFUSED', 'proxy']);
    await startTraffic();
    await meetTraffic();
    expect(Object.keys(await answers())).toEqual(['proxy']);
  });
});
