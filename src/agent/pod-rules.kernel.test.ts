import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PodNetwork } from '../../test/support/network.ts';
import { createPodNetwork } from '../../test/support/network.ts';
import { application, dial, listen, proxy } from '../../test/support/tcp.ts';
import type { TestNode } from '../../test/support/test-node.ts';
import { createTestNode } from '../../test/support/test-node.ts';
import { Cleanup } from '../base/cleanup.ts';
import { silentLogger } from '../base/log.ts';
import { FdPoller } from '../kernel/index.ts';
import { ruleSetsEmpty } from '../redirect/iptables/index.ts';
import type { Machine } from './machine.ts';
import { PodManager } from './pod-manager.ts';
import { DesiredPods } from './state.ts';

const cleanup = new Cleanup();
let node: TestNode;
let network: PodNetwork;
let pods: PodManager;

/** A kernel without the programs, as far as the choice goes. */
const machine: Machine = { choice: { backend: 'iptables', reason: 'a test' }, tcx: false };
const pod = (annotations: Record<string, string> = {}, backend: 'auto' | 'sk_lookup' = 'auto') => ({
  name: 'test/rules',
  netns: network.pod.path,
  labels: {},
  annotations,
  uidMap: null,
  meshed: true,
  backend,
});
const rulesInPod = async (): Promise<string> =>
  (await ruleSetsEmpty({ netns: network.pod.path })).listings.map(({ text }) => text).join('');

beforeAll(async () => {
  node = cleanup.use(await createTestNode());
  network = cleanup.use(await createPodNetwork());
  const directory = mkdtempSync(join(tmpdir(), 'millrace-agent-'));
  cleanup.defer(() => rmSync(directory, { recursive: true }));
  const desired = await DesiredPods.open(join(directory, 'pods.json'), silentLogger);
  pods = cleanup.use(new PodManager(node.plane, machine, desired, cleanup.use(new FdPoller()), silentLogger));
  cleanup.use(await listen(network.pod, proxy, 'outbound', '0.0.0.0:15001'));
});

afterAll(() => cleanup[Symbol.asyncDispose]());

describe('PodManager', () => {
  it("writes Istio's rules where auto means iptables, and traffic follows them", async () => {
    expect(await pods.enrol(pod())).toMatchObject({ backend: 'iptables', problems: [] });
    expect(await rulesInPod()).toContain('-A OUTPUT -j ISTIO_OUTPUT');
    expect(await dial(network.pod, application, '203.0.113.5:80')).toMatchObject({ answer: 'outbound', peer: '203.0.113.5:80' });
    expect(node.plane.counters().outbound_redirected).toBe(0);
  });

  it('puts rules right that were changed by hand, and counts it', async () => {
    execFileSync('nsenter', [`--net=${network.pod.path}`, '--', 'iptables', '-t', 'nat', '-F', 'ISTIO_REDIRECT']);
    await pods.reconcile();
    expect(pods.drift).toMatchObject({ last: 'rules of test/rules put right' });
    expect((await dial(network.pod, application, '203.0.113.5:80')).answer).toBe('outbound');
  });

  it('follows changed annotations', async () => {
    await pods.enrol(pod({ 'traffic.sidecar.istio.io/excludeOutboundPorts': '81' }));
    expect((await dial(network.pod, application, '10.9.0.1:81')).answer).toBe('ECONNREFUSED');
    expect((await dial(network.pod, application, '10.9.0.1:80')).answer).toBe('outbound');
  });

  it('follows TPROXY by rules when the choice is left to it, and says what is missing when programs are asked for by name', async () => {
    const tproxy = { 'sidecar.istio.io/interceptionMode': 'TPROXY' };
    expect(await pods.enrol({ ...pod(tproxy), name: 'test/rules' })).toMatchObject({ backend: 'iptables', problems: [] });
    expect(await rulesInPod()).toContain('TPROXY');
    const { problems } = await pods.enrol(pod(tproxy, 'sk_lookup'));
    expect(problems).toContainEqual(expect.stringContaining('TPROXY'));
    await pods.enrol(pod());
  });

  it('takes the rules away when programs take over, and when the pod is released', async () => {
    await pods.enrol(pod({}, 'sk_lookup'));
    expect((await ruleSetsEmpty({ netns: network.pod.path })).empty).toBe(true);
    // this one is seen as it begins to listen; the other belongs to a process that is in no pod
    await using _proxy = await listen(network.pod, proxy, 'programs', '0.0.0.0:15001');
    expect((await dial(network.pod, application, '203.0.113.5:80')).answer).toMatch(/outbound|programs/);
    await pods.enrol(pod());
    await pods.release('test/rules');
    expect((await ruleSetsEmpty({ netns: network.pod.path })).empty).toBe(true);
  });
});
