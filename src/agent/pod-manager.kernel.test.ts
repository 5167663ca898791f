import { execFileSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { isSteered } from '../../test/support/enrolment.ts';
import { startListening } from '../../test/support/listening-process.ts';
import type { PodNetwork, TestNetns } from '../../test/support/network.ts';
import { createPodNetwork } from '../../test/support/network.ts';
import { application, dial, listen, proxy, root } from '../../test/support/tcp.ts';
import type { TestNode } from '../../test/support/test-node.ts';
import { createTestNode } from '../../test/support/test-node.ts';
import { Cleanup } from '../base/cleanup.ts';
import { silentLogger } from '../base/log.ts';
import { FdPoller, openNetns } from '../kernel/index.ts';
import type { PodRequest } from '../pods/types.ts';
import type { Machine } from './machine.ts';
import { PodManager } from './pod-manager.ts';
import { DesiredPods } from './state.ts';

const cleanup = new Cleanup();
let node: TestNode;
let perTest: Cleanup;
let network: PodNetwork;
let state: string;
let pods: PodManager;

beforeAll(async () => {
  node = cleanup.use(await createTestNode());
});

afterAll(() => cleanup[Symbol.asyncDispose]());

beforeEach(async () => {
  perTest = new Cleanup();
  const directory = mkdtempSync(join(tmpdir(), 'millrace-agent-'));
  perTest.defer(() => rmSync(directory, { recursive: true }));
  state = join(directory, 'pods.json');
  network = perTest.use(await createPodNetwork());
  perTest.use(await listen(network.outside, root, 'real', '0.0.0.0:80'));
  pods = await manager();
});

afterEach(async () => {
  await perTest[Symbol.asyncDispose]();
  for (const cookie of await node.plane.knownCookies()) await node.plane.release(cookie);
});

/** A machine that has everything. */
const machine: Machine = { choice: { backend: 'sk_lookup', reason: 'a test' }, tcx: true };

/** A manager on the node's data plane and the test's list, as an agent that has just started has it. */
async function manager(): Promise<PodManager> {
  const poller = perTest.use(new FdPoller());
  return perTest.use(new PodManager(node.plane, machine, await DesiredPods.open(state, silentLogger), poller, silentLogger));
}

function request(netns: TestNetns | string, wanted: Partial<PodRequest> = {}): PodRequest {
  const path = typeof netns === 'string' ? netns : netns.path;
  return { name: 'test/pod', netns: path, labels: {}, annotations: {}, uidMap: null, meshed: true, backend: 'sk_lookup', ...wanted };
}

const dialled = async (pod: PodNetwork = network) => (await dial(pod.pod, application, '10.9.0.1:80')).answer;
const desired = async () => (JSON.parse(await readFile(state, 'utf8')) as PodRequest[]).map(({ name }) => name);
const onlyPod = () => pods.status()[0];

describe('a disk without room', () => {
  let folder: string;
  const fill = () => join(folder, 'fill');

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-full-'));
    perTest.defer(() => rmSync(folder, { recursive: true }));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16k', 'millrace-test', folder]);
    perTest.defer(() => void execFileSync('umount', ['--lazy', folder]));
    state = join(folder, 'pods.json');
    pods = await manager();
    await pods.enrol(request(network.pod));
  });

  it('is told by name, the pod is redirected all the same, and what is wished for is written when there is room', async () => {
    const second = perTest.use(await createPodNetwork());
    appendFileSync(fill(), Buffer.alloc(4096));
    expect(() => appendFileSync(fill(), Buffer.alloc(65536))).toThrow('ENOSPC');
    await expect(pods.enrol(request(second.pod, { name: 'test/second' }))).rejects.toMatchObject({
      code: 'FILE_UNWRITABLE',
      message: `Cannot remember what the agent was asked for because the file system is full (ENOSPC): ${state}`,
      command: `df -h ${folder}`,
    });
    expect(pods.status().map(({ name }) => name)).toEqual(['test/pod', 'test/second']);
    expect(pods.unsaved).toContain('ENOSPC');
    // whole, as it was, and nothing beside it
    expect(await desired()).toEqual(['test/pod']);
    expect(readdirSync(folder).sort()).toEqual(['fill', 'pods.json']);
    await pods.reconcile();
    expect(pods.unsaved).toContain('ENOSPC');
    rmSync(fill());
    await pods.reconcile();
    expect(pods.unsaved).toBeNull();
    expect(await desired()).toEqual(['test/pod', 'test/second']);
  });

  it('does not keep a pod from being released', async () => {
    expect(() => appendFileSync(fill(), Buffer.alloc(65536))).toThrow('ENOSPC');
    await expect(pods.release('test/pod')).rejects.toMatchObject({ code: 'FILE_UNWRITABLE' });
    expect(pods.status()).toEqual([]);
    expect((await node.plane.knownCookies()).size).toBe(0);
    rmSync(fill());
    await pods.reconcile();
    expect(await desired()).toEqual([]);
  });
});

describe('enrol()', () => {
  it('redirects a pod and says what is missing when the proxy does not listen yet', async () => {
    expect(await dialled()).toBe('real');
    const status = await pods.enrol(request(network.pod));
    expect(status).toMatchObject({
      name: 'test/pod',
      netns: network.pod.path,
      cookie: network.pod.handle.cookie.toString(),
      addresses: ['10.9.0.2', '10.9.0.22', 'fd00:9::2'],
      listeners: [
        { role: 'outbound', port: 15001, present: false },
        { role: 'inbound', port: 15006, present: false },
      ],
    });
    expect(status.problems).toHaveLength(2);
    expect(await dialled()).toBe('ECONNREFUSED');
    await using _outbound = await listen(network.pod, proxy, 'outbound', '[::]:15001', { dual: true });
    await using _inbound = await listen(network.pod, proxy, 'inbound', '[::]:15006', { dual: true });
    expect(onlyPod()?.problems).toEqual([]);
    expect(await dialled()).toBe('outbound');
    expect(pods.nameOf(network.pod.handle.cookie)).toBe('test/pod');
    expect(await desired()).toEqual(['test/pod']);
  });

  it('takes over listeners that were there before when a pod is enrolled late', async () => {
    await using _proxy = await startListening(network.pod, proxy, 'proxy', [':::15001', ':::15006']);
    expect((await pods.enrol(request(network.pod))).problems).toEqual([]);
    expect(await dialled()).toBe('proxy');
  });

  it('changes what is redirected at once when the annotations change', async () => {
    await pods.enrol(request(network.pod));
    await pods.enrol(request(network.pod, { annotations: { 'traffic.sidecar.istio.io/excludeOutboundPorts': '80' } }));
    expect(await dialled()).toBe('real');
    await pods.enrol(request(network.pod, { meshed: false }));
    expect(await dialled()).toBe('real');
    expect(isSteered(node.plane, network.pod)).toBe(false);
    await pods.enrol(request(network.pod));
    expect(await dialled()).toBe('ECONNREFUSED');
    expect(pods.status()).toHaveLength(1);
  });

  it('releases the old namespace when a pod of the same name comes with another', async () => {
    using other = await createPodNetwork();
    await using _real = await listen(other.outside, root, 'real', '0.0.0.0:80');
    await pods.enrol(request(network.pod));
    await pods.enrol(request(other.pod));
    expect([await dialled(), await dialled(other)]).toEqual(['real', 'ECONNREFUSED']);
    expect([...(await node.plane.knownCookies())]).toEqual([other.pod.handle.cookie]);
  });

  it.each<[what: string, wanted: Partial<PodRequest>, code: string]>([
    ['the name is no name', { name: 'Test Pod' }, 'POD_NAME_INVALID'],
    ['an annotation is wrong', { annotations: { 'traffic.sidecar.istio.io/excludeOutboundPorts': 'http' } }, 'ANNOTATION_INVALID'],
    ['the id map is malformed', { uidMap: '0 x 1' }, 'ID_MAP_INVALID'],
    ['the path does not exist', { netns: '/run/netns/millrace-no-such' }, 'NETNS_INVALID'],
    ['the path is no namespace', { netns: '/proc/self/stat' }, 'NETNS_INVALID'],
    ['the path is a namespace of another kind', { netns: '/proc/self/ns/uts' }, 'NETNS_INVALID'],
    ['the namespace is the agent’s own', { netns: '/proc/self/ns/net' }, 'NETNS_INVALID'],
    ['the namespace belongs to another pod', { name: 'test/second' }, 'NETNS_INVALID'],
  ])('fails and leaves everything as it was when %s', async (_what, wanted, code) => {
    await pods.enrol(request(network.pod));
    await expect(pods.enrol(request(network.pod, wanted))).rejects.toMatchObject({ name: 'UserError', code });
    expect(pods.status()).toHaveLength(1);
    expect(await desired()).toEqual(['test/pod']);
    expect(await dialled()).toBe('ECONNREFUSED');
    expect([...(await node.plane.knownCookies())]).toEqual([network.pod.handle.cookie]);
  });

  it('follows the addresses of the pod when they change', async () => {
    await pods.enrol(request(network.pod));
    network.pod.ip('addr add 10.9.0.33/24 dev eth0\n');
    await expect.poll(() => onlyPod()?.addresses).toContain('10.9.0.33');
    await using _app = await listen(network.pod, application, 'app', '0.0.0.0:8080');
    expect((await dial(network.pod, application, '10.9.0.33:8080')).answer).toBe('app');
  });
});

describe('release()', () => {
  it('leaves the pod alone and forgets it when it is enrolled', async () => {
    await pods.enrol(request(network.pod));
    await pods.release('test/pod');
    expect(await dialled()).toBe('real');
    expect(pods.status()).toEqual([]);
    expect(await desired()).toEqual([]);
    expect(await node.plane.knownCookies()).toEqual(new Set());
  });

  it('fails with POD_UNKNOWN when no such pod is', async () => {
    await expect(pods.release('test/nobody')).rejects.toMatchObject({ name: 'UserError', code: 'POD_UNKNOWN' });
  });
});

describe('restore()', () => {
  it('takes over every pod of the list and drops the rows of namespaces that ended', async () => {
    await pods.enrol(request(network.pod));
    const ended = await createPodNetwork();
    await pods.enrol(request(ended.pod, { name: 'test/ended' }));
    await pods[Symbol.asyncDispose]();
    expect(await dialled()).toBe('ECONNREFUSED');
    ended[Symbol.dispose]();
    // whoever was killed holds its namespace for a moment more
    await expect.poll(() => existsSync(ended.pod.path)).toBe(false);
    pods = await manager();
    await pods.restore();
    expect([...(await node.plane.knownCookies())]).toEqual([network.pod.handle.cookie]);
    expect(pods.status().map(({ name, cookie }) => [name, cookie])).toEqual([
      ['test/pod', network.pod.handle.cookie.toString()],
      ['test/ended', '0'],
    ]);
    expect(pods.status()[1]?.problems).toEqual(['its network namespace is gone']);
    expect(pods.drift.repaired).toBe(0);
  });

  it('keeps redirecting a living namespace when the list was lost', async () => {
    await pods.enrol(request(network.pod));
    rmSync(state);
    pods = await manager();
    await pods.restore();
    expect(pods.status()).toEqual([]);
    expect(await dialled()).toBe('ECONNREFUSED');
  });
});

describe('reconcile()', () => {
  it('repairs nothing when nothing is wrong', async () => {
    await pods.enrol(request(network.pod));
    await pods.reconcile();
    expect(pods.drift).toEqual({ repaired: 0, last: null });
  });

  it('puts back and counts what others took away', async () => {
    await pods.enrol(request(network.pod));
    const { maps, pins } = node.plane;
    const { cookie } = network.pod.handle;
    maps.pods.delete(cookie);
    maps.ranges.deleteMany([...maps.ranges.keys()]);
    expect(onlyPod()?.problems[0]).toMatch(/^the kernel has no row for this pod: /);
    expect(await dialled()).toBe('real');
    await pods.reconcile();
    expect(await dialled()).toBe('ECONNREFUSED');
    expect(pods.drift.repaired).toBe(1);
    expect(pods.drift.last).toMatch(/^\d+ rows of test\/pod put right$/);
    maps.ports.set({ cookie, port: 80 }, { flags: 1 });
    expect(await dialled()).toBe('real');
    rmSync(pins.link('mr_connect4'));
    rmSync(pins.link('mr_sk_lookup', cookie));
    await pods.reconcile();
    expect(await dialled()).toBe('ECONNREFUSED');
    expect((await dial(network.outside, root, '10.9.0.2:8080')).answer).toBe('ECONNREFUSED');
    expect(isSteered(node.plane, network.pod)).toBe(true);
    expect(pods.drift.repaired).toBe(4);
  });

  it('finds the proxy when it listens without the kernel having told', async () => {
    await pods.enrol(request(network.pod));
    await using _proxy = await startListening(network.pod, proxy, 'proxy', [':::15001', ':::15006']);
    const { maps } = node.plane;
    for (const key of [...maps.listeners.keys()]) maps.listeners.delete(key);
    expect(await dialled()).toBe('ECONNREFUSED');
    await pods.reconcile();
    expect(await dialled()).toBe('proxy');
  });

  it('lets go of a namespace that ended and takes its successor of the same name', async () => {
    const name = `mrt-${process.pid}-agent`;
    const path = `/run/netns/${name}`;
    const ip = (...args: string[]) => execFileSync('ip', ['netns', ...args]);
    ip('add', name);
    try {
      const first = await pods.enrol(request(path));
      ip('del', name);
      await pods.reconcile();
      expect(onlyPod()).toMatchObject({ cookie: '0', problems: ['its network namespace is gone'] });
      expect(await node.plane.knownCookies()).toEqual(new Set());
      ip('add', name);
      await pods.reconcile();
      using successor = openNetns(path);
      expect(onlyPod()?.cookie).toBe(successor.cookie.toString());
      expect(onlyPod()?.cookie).not.toBe(first.cookie);
      expect([...(await node.plane.knownCookies())]).toEqual([successor.cookie]);
    } finally {
      ip('del', name);
    }
  });
});
