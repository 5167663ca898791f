import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { outputOf, startPlaced } from '../../bench/support/placed-process.ts';
import { instancePaths } from '../../src/api/paths.ts';
import type { PolicyUpdate } from '../../src/api/policy-types.ts';
import { Cleanup } from '../../src/base/cleanup.ts';
import { compilePrograms } from '../../src/bench/compile.ts';
import { createNetns, joinByLink } from '../../src/conformance/network.ts';
import { findCgroup2, moveToCgroup } from '../../src/kernel/index.ts';
import { isPolicy } from '../../src/manifests/kinds.ts';
import { parseManifests } from '../../src/manifests/parse.ts';
import type { PodRequest } from '../../src/pods/types.ts';
import { hubbleClient } from '../../src/serve/hubble/client.ts';
import type { AgentInstance, AgentProcess } from '../support/agent-process.ts';
import { createAgentInstance } from '../support/agent-process.ts';
import type { TestNetns } from '../support/network.ts';
import { until } from '../support/run-process.ts';
import { dial, listen, root } from '../support/tcp.ts';

/** What a pod with CAP_NET_ADMIN does to its own network namespace, and what files that went bad do, against policy in a running agent. */
const instance: { used: AgentInstance | null } = { used: null };
const cleanup = new Cleanup();
let own: Cleanup;
let node: TestNetns;
let pod: TestNetns;
let agent: AgentProcess;

const server = '10.9.0.1';
const victim = '10.9.0.77';

beforeAll(() => {
  const used = cleanup.use(createAgentInstance());
  instance.used = used;
  const home = join(findCgroup2(), /^0::(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? '');
  cleanup.defer(() => writeFileSync(join(home, 'cgroup.procs'), String(process.pid)));
});

afterAll(() => cleanup[Symbol.asyncDispose]());

beforeEach(async () => {
  own = new Cleanup();
  node = own.use(await createNetns());
  pod = own.use(await createNetns());
  joinByLink({ netns: node, name: 'eth0', addresses: [`${server}/24`] }, { netns: pod, name: 'eth0', addresses: ['10.9.0.2/24'] });
  for (const port of [80, 81]) own.use(await listen(node, root, 'web', `0.0.0.0:${port}`));
  agent = await start();
  moveToCgroup(theInstance().cgroup, process.pid);
  await agent.client.enrol(request(pod));
  await agent.client.setPolicies(update(port80));
});

afterEach(async () => {
  for (const { name } of await agent.client.pods()) await agent.client.release(name);
  await agent.client.setPolicies(update(''));
  for (const { reference } of (await agent.client.policies()).policies) await agent.client.deletePolicy(reference);
  await agent.stop('SIGTERM');
  await own[Symbol.asyncDispose]();
});

function theInstance(): AgentInstance {
  if (instance.used === null) throw new Error('no instance');
  return instance.used;
}

async function start(): Promise<AgentProcess> {
  const started = theInstance().start(['--node-netns', node.path]);
  await started.ready();
  return started;
}

const request = ({ path: netns }: TestNetns, name = 'test/pod'): PodRequest => ({
  name,
  netns,
  labels: { app: name.slice(5) },
  annotations: {},
  uidMap: null,
  meshed: false,
  backend: 'sk_lookup',
});

const policies = (text: string): PolicyUpdate['policies'] =>
  parseManifests(text, 'policies.yaml', { defaultNamespace: 'test' }).manifests.filter(isPolicy);

/** Another pod, on another node, has the address that the attacker wants. */
const update = (text: string): PolicyUpdate => ({
  policies: policies(text),
  namespaces: [{ name: 'test', labels: {} }],
  services: [],
  nodes: [{ name: 'node', labels: {}, addresses: ['10.9.9.9'], local: true }],
  pods: [
    {
      name: 'victim',
      namespace: 'test',
      labels: { app: 'victim' },
      serviceAccount: 'default',
      addresses: [victim],
      namedPorts: [],
      hostNetwork: false,
      local: false,
      workload: null,
    },
  ],
});

const port80 = `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: egress }
spec:
  endpointSelector: { matchLabels: { app: pod } }
  egress: [{ toCIDR: [${server}/32], toPorts: [{ ports: [{ port: "80", protocol: TCP }] }] }]
`;

const reach = async (from: TestNetns, port: number, source?: string) =>
  (await dial(from, root, `${server}:${port}`, source === undefined ? {} : { from: `${source}:0` })).answer;
const problems = async () => (await agent.client.pods()).flatMap(({ problems: found }) => found).join('\n');

describe('a pod that may change its own network', () => {
  it("takes no other pod's address, and no second one of its own", async () => {
    pod.ip(`addr add ${victim}/24 dev eth0\n`);
    await until('the agent has seen it', async () => ((await agent.client.pods())[0]?.addresses.includes(victim) ? true : null));
    await until('policy has seen it', async () => ((await problems()).includes(victim) ? true : null));
    expect([await reach(pod, 80), await reach(pod, 80, victim), await reach(pod, 81)]).toEqual(['web', 'TIMEOUT', 'TIMEOUT']);
    // whoever asks for the pod again, or starts again, knows what was its own
    await agent.client.enrol({ ...request(pod), annotations: { changed: 'yes' } });
    expect(await reach(pod, 80, victim)).toBe('TIMEOUT');
    await agent.stop('SIGKILL');
    agent = await start();
    expect([await reach(pod, 80), await reach(pod, 80, victim)]).toEqual(['web', 'TIMEOUT']);
  });

  it('is no other pod after it gave its own address up', async () => {
    pod.ip(`addr del 10.9.0.2/24 dev eth0\naddr add ${victim}/24 dev eth0\n`);
    await until('the agent has seen it', async () => ((await agent.client.pods())[0]?.addresses.join() === victim ? true : null));
    await sleep(200);
    // or nobody answers who asks by ARP
    const unreached = expect.stringMatching(/^(TIMEOUT|EHOSTUNREACH)$/);
    expect([await reach(pod, 80), await reach(pod, 81)]).toEqual([unreached, unreached]);
  });

  it('is judged by the interface that it moved to a namespace of its own', async () => {
    const below = own.use(await createNetns());
    pod.ip(`link add stay type veth peer name peer\naddr add 10.9.7.7/24 dev stay\nlink set eth0 netns ${below.pid}\n`);
    below.ip('addr add 10.9.0.2/24 dev eth0\nlink set eth0 up\n');
    await until('the agent has seen it', async () => ((await problems()) === '' ? null : true));
    expect([await reach(below, 80), await reach(below, 81)]).toEqual(['web', 'TIMEOUT']);
    expect(await problems()).toMatch(/taken out of the pod/);
  });
});

describe('a pod that floods', () => {
  it('hides the drop of another pod from nobody, and what is not told is counted', async () => {
    const programs = own.use(compilePrograms(['bench/flows/syn-flood.c']));
    const other = own.use(await createNetns());
    joinByLink({ netns: node, name: 'eth1', addresses: ['10.9.1.1/24'] }, { netns: other, name: 'eth0', addresses: ['10.9.1.2/24'] });
    other.ip('route add default via 10.9.1.1\n');
    await agent.client.enrol({ ...request(other, 'test/other'), labels: { app: 'pod' } });
    const { cgroup, name } = theInstance();
    const client = hubbleClient(`unix://${instancePaths(name).hubbleSocket}`, null);
    // somebody who follows: the flood's own events take the place of older ones within a second
    const told = (async () => {
      for await (const { responseTypes } of client.getFlows({ follow: true, whitelist: [{ sourcePod: ['test/other'], verdict: [2] }] }))
        if (responseTypes.case === 'flow') return responseTypes.value;
      return null;
    })();
    const place = { cgroup, netns: pod.path, uid: 0, cpu: null };
    const flood = startPlaced(place, programs.path('syn-flood'), ['10.9.0.2', server, '5432', '100000', '2']);
    const over = outputOf(flood, 'the flood');
    await sleep(500);
    expect(await reach(other, 81)).toBe('TIMEOUT');
    expect((await told)?.l4?.protocol.value).toMatchObject({ destinationPort: 81 });
    expect(Number((await over).toString())).toBeGreaterThan(20_000);
    const flows = await until('nothing waits any more', async () => {
      const { flows: now } = await agent.client.status();
      return now.emitted === now.delivered + now.lost ? now : null;
    });
    expect(flows.suppressed).toBeGreaterThan(10_000);
  });
});

describe('a list of policies that is damaged', () => {
  it.each([['policies.json'], ['policies.operator.json']])('leaves what holds in force, and closes what is new: %s', async (which) => {
    if (which === 'policies.operator.json') {
      await agent.client.setPolicies(update(''));
      await agent.client.applyPolicies(policies(port80));
    }
    await agent.stop('SIGKILL');
    const path = instancePaths(theInstance().name).agentPolicies.replace(/policies\.json$/, which);
    writeFileSync(path, readFileSync(path, 'utf8').slice(0, -20));
    // the second start finds it set aside already
    for (const round of [1, 2]) {
      agent = await start();
      expect([round, await reach(pod, 80), await reach(pod, 81)]).toEqual([round, 'web', 'TIMEOUT']);
      expect((await agent.client.status()).policies.problem).toContain('damaged');
      if (round === 1) await agent.stop('SIGKILL');
    }
    const late = own.use(await createNetns());
    joinByLink({ netns: node, name: 'eth1', addresses: ['10.9.1.1/24'] }, { netns: late, name: 'eth0', addresses: ['10.9.1.2/24'] });
    late.ip('route add default via 10.9.1.1\n');
    await agent.client.enrol(request(late, 'test/late'));
    expect(await reach(late, 80)).toBe('TIMEOUT');
    if (which === 'policies.json') await agent.client.setPolicies(update(port80));
    else await agent.client.applyPolicies(policies(port80));
    expect([await reach(pod, 80), await reach(pod, 81), await reach(late, 81)]).toEqual(['web', 'TIMEOUT', 'web']);
    expect((await agent.client.status()).policies).toMatchObject({ problem: null, count: 1 });
  });
});
