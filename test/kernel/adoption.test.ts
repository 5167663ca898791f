import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Cleanup } from '../../src/base/cleanup.ts';
import { adoptListeners, isListening } from '../../src/redirect/ebpf/listeners.ts';
import { enrolPod, podTables } from '../support/enrolment.ts';
import { startListening } from '../support/listening-process.ts';
import type { PodNetwork } from '../support/network.ts';
import { createPodNetwork } from '../support/network.ts';
import type { Identity } from '../support/tcp.ts';
import { application, dial, proxy, root } from '../support/tcp.ts';
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
});

afterEach(async () => {
  await node.plane.release(network.pod.handle.cookie);
  network[Symbol.dispose]();
});

function adopt(): Promise<number> {
  return adoptListeners(node.plane.maps, network.pod.handle, podTables(network.pod).pod);
}

const answers = async () => [
  (await dial(network.pod, application, '203.0.113.5:80')).answer,
  (await dial(network.pod, application, '[2001:db8::5]:80')).answer,
  (await dial(network.outside, root, '10.9.0.2:8080')).answer,
];

describe('adoptListeners()', () => {
  it.each<[who: string, identity: Identity]>([
    ['uid and gid', proxy],
    ['uid', { uid: 1337, gid: 1000 }],
    ['gid', { uid: 1000, gid: 1337 }],
  ])('takes over what listened before the pod was enrolled when it is the proxy by %s', async (_who, identity) => {
    await using _proxy = await startListening(network.pod, identity, 'proxy', [':::15001', ':::15006', ':::15021']);
    await enrolPod(node.plane, network.pod);
    expect(await answers()).toEqual(['ECONNREFUSED', 'ECONNREFUSED', 'ECONNREFUSED']);
    expect(await adopt()).toBe(2);
    expect(await answers()).toEqual(['proxy', 'proxy', 'proxy']);
    expect(await adopt()).toBe(0);
  });

  it('dials the address that the proxy is bound to when that is loopback', async () => {
    await using _proxy = await startListening(network.pod, proxy, 'proxy', ['127.0.0.1:15001', '127.0.0.1:15006']);
    await enrolPod(node.plane, network.pod);
    expect(await adopt()).toBe(2);
    expect(await answers()).toEqual(['proxy', 'ECONNREFUSED', 'proxy']);
  });

  it('leaves a stranger where it is when it listens on the ports of the proxy', async () => {
    await using _stranger = await startListening(network.pod, application, 'stranger', [':::15001', ':::15006']);
    await enrolPod(node.plane, network.pod);
    expect(await adopt()).toBe(0);
    expect(isListening(node.plane.maps, network.pod.handle.cookie, 15001)).toBe(false);
    expect(await answers()).toEqual(['ECONNREFUSED', 'ECONNREFUSED', 'ECONNREFUSED']);
  });

  it('finds nothing when the proxy listens in another namespace or no process is there', async () => {
    using other = await createPodNetwork();
    await using _proxy = await startListening(other.pod, proxy, 'proxy', [':::15001', ':::15006']);
    await enrolPod(node.plane, network.pod);
    expect(await adopt()).toBe(0);
  });

  it('forgets a listener when its process is killed', async () => {
    {
      await using _proxy = await startListening(network.pod, proxy, 'proxy', [':::15001', ':::15006']);
      await enrolPod(node.plane, network.pod);
      expect(await adopt()).toBe(2);
    }
    expect(isListening(node.plane.maps, network.pod.handle.cookie, 15001)).toBe(false);
    expect(await answers()).toEqual(['ECONNREFUSED', 'ECONNREFUSED', 'ECONNREFUSED']);
  });
});
