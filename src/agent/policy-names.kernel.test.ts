import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AgentInstance, AgentProcess } from '../../test/support/agent-process.ts';
import { createAgentInstance } from '../../test/support/agent-process.ts';
import type { PodNetwork } from '../../test/support/network.ts';
import { createPodNetwork } from '../../test/support/network.ts';
import { application, dial, listen, root } from '../../test/support/tcp.ts';
import { instancePaths } from '../api/paths.ts';
import { Cleanup } from '../base/cleanup.ts';
import { findCgroup2, moveToCgroup } from '../kernel/index.ts';
import { isPolicy } from '../manifests/kinds.ts';
import { parseManifests } from '../manifests/parse.ts';
import { namesPath } from './names-file.ts';

// The agent is a process of its own, the node a namespace of its own. The node's own address is listed as another one, so that the server is the world's.
const cleanup = new Cleanup();
let instance: AgentInstance;
let network: PodNetwork;
let agent: AgentProcess;

const server = '10.9.0.1';
const policy = `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: names }
spec:
  endpointSelector: {}
  egress: [{ toFQDNs: [{ matchPattern: "*.example.com" }] }]
`;

async function start(): Promise<AgentProcess> {
  const started = instance.start(['--node-netns', network.outside.path]);
  await started.ready();
  return started;
}

beforeAll(async () => {
  instance = cleanup.use(createAgentInstance());
  const home = join(findCgroup2(), /^0::(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? '');
  cleanup.defer(() => writeFileSync(join(home, 'cgroup.procs'), String(process.pid)));
  network = cleanup.use(await createPodNetwork());
  cleanup.use(await listen(network.outside, root, 'web', '0.0.0.0:80'));
  agent = await start();
  moveToCgroup(instance.cgroup, process.pid);
  const { path: netns } = network.pod;
  await agent.client.enrol({ name: 'test/pod', netns, labels: {}, annotations: {}, uidMap: null, meshed: false, backend: 'sk_lookup' });
  await agent.client.setPolicies({
    policies: parseManifests(policy, 'policies.yaml', { defaultNamespace: 'test' }).manifests.filter(isPolicy),
    namespaces: [{ name: 'test', labels: {} }],
    services: [],
    nodes: [{ name: 'node', labels: {}, addresses: ['10.9.9.9'], local: true }],
  });
});

afterAll(() => cleanup[Symbol.asyncDispose]());

const reach = async () => (await dial(network.pod, application, `${server}:80`)).answer;

describe('names that are learned from DNS', () => {
  it('are judged by when the call returns, those that a policy asks for and no address of the cluster', async () => {
    expect(await reach()).toBe('TIMEOUT');
    expect(await agent.client.learnName({ name: 'api.example.net', addresses: [server], ttl: 60 })).toEqual({ learned: [] });
    expect(await reach()).toBe('TIMEOUT');
    const answer = { name: 'API.example.com.', addresses: [server, '10.9.9.9', '10.9.0.2', '127.0.0.1'], ttl: 60 };
    expect(await agent.client.learnName(answer)).toEqual({ learned: [server] });
    expect(await reach()).toBe('web');
  });

  it('are bounded, also when they come all at once, and none that was just learned is missing', async () => {
    const calls = Array.from({ length: 200 }, (_, index) =>
      agent.client.learnName({ name: `x${index}.example.com`, addresses: [`203.0.113.${index}`], ttl: 60 }),
    );
    expect((await Promise.all(calls)).flatMap(({ learned }) => learned)).toHaveLength(200);
    expect(await reach()).toBe('web');
  });

  it('end with their time and not with the agent, and their end is no drift', async () => {
    await agent.stop('SIGKILL');
    const path = namesPath(instancePaths(instance.name).agentPolicies);
    const { learned } = JSON.parse(readFileSync(path, 'utf8')) as { learned: { name: string; address: string; untilMs: number }[] };
    expect(learned.find(({ address }) => address === server)).toMatchObject({ name: 'api.example.com' });
    expect(learned).toHaveLength(201);
    const untilMs = Date.now() + 8000;
    writeFileSync(path, JSON.stringify({ learned: learned.map((one) => (one.address === server ? { ...one, untilMs } : one)) }));
    agent = await start();
    expect(await reach()).toBe('web');
    await expect.poll(reach, { timeout: 20_000, interval: 200 }).toBe('TIMEOUT');
    expect(Date.now()).toBeGreaterThanOrEqual(untilMs);
    expect((await agent.client.status()).drift.repaired).toBe(0);
  });
});
