import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { AgentInstance, AgentProcess } from '../../test/support/agent-process.ts';
import { createAgentInstance } from '../../test/support/agent-process.ts';
import type { PodNetwork } from '../../test/support/network.ts';
import { createPodNetwork } from '../../test/support/network.ts';
import { until } from '../../test/support/run-process.ts';
import { application, dial, listen, root } from '../../test/support/tcp.ts';
import type { PolicyUpdate } from '../api/policy-types.ts';
import { Cleanup } from '../base/cleanup.ts';
import { findCgroup2, moveToCgroup, netnsInterfaces } from '../kernel/index.ts';
import { isPolicy } from '../manifests/kinds.ts';
import { parseManifests } from '../manifests/parse.ts';
import type { PodRequest } from '../pods/types.ts';
import { pinsAt } from '../redirect/ebpf/pins.ts';

// The agent is a process of its own, the node a namespace of its own: the pod's other end lies there. The sockets are this process's.
const cleanup = new Cleanup();
let instance: AgentInstance;
let network: PodNetwork;
let agent: AgentProcess;

const TCP = 6;
/** Of the node's namespace; the policies know it as the world. */
const server = '10.9.0.1';

beforeAll(async () => {
  instance = cleanup.use(createAgentInstance());
  const home = join(findCgroup2(), /^0::(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? '');
  cleanup.defer(() => writeFileSync(join(home, 'cgroup.procs'), String(process.pid)));
  network = cleanup.use(await createPodNetwork());
  for (const port of [80, 81]) cleanup.use(await listen(network.outside, root, 'web', `0.0.0.0:${port}`));
  cleanup.use(await listen(network.pod, root, 'app', '0.0.0.0:8080'));
  agent = await start();
  moveToCgroup(instance.cgroup, process.pid);
  await agent.client.enrol(request());
});

afterAll(() => cleanup[Symbol.asyncDispose]());

afterEach(async () => {
  await agent.client.setPolicies(update(''));
  await agent.client.enrol(request());
});

async function start(): Promise<AgentProcess> {
  const started = instance.start(['--node-netns', network.outside.path]);
  await started.ready();
  return started;
}

function request(wanted: Partial<PodRequest> = {}): PodRequest {
  const { path: netns } = network.pod;
  return {
    name: 'test/pod',
    netns,
    labels: { app: 'pod' },
    annotations: {},
    uidMap: null,
    meshed: false,
    backend: 'sk_lookup',
    ...wanted,
  };
}

function policies(text: string): PolicyUpdate['policies'] {
  return parseManifests(text, 'policies.yaml', { defaultNamespace: 'test' }).manifests.filter(isPolicy);
}

function update(text: string, more: Partial<PolicyUpdate> = {}): PolicyUpdate {
  const nodes = [{ name: 'node', labels: {}, addresses: ['10.9.9.9'], local: true }];
  return { policies: policies(text), namespaces: [{ name: 'test', labels: {} }], services: [], nodes, ...more };
}

const egressTo = (port: number, selector = '{}') => `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: egress }
spec:
  endpointSelector: ${selector}
  egress: [{ toCIDR: [${server}/32], toPorts: [{ ports: [{ port: "${port}", protocol: TCP }] }] }]
`;

const fromPod = async (port: number) => (await dial(network.pod, application, `${server}:${port}`)).answer;
const toPod = async () => (await dial(network.outside, root, '10.9.0.2:8080')).answer;

describe('policy in the agent', () => {
  it('changes nothing while there is none', async () => {
    expect([await fromPod(80), await fromPod(81), await toPod()]).toEqual(['web', 'web', 'app']);
    const [pod] = await agent.client.pods();
    expect(pod).toMatchObject({ problems: [], identity: expect.any(Number) });
    expect(pod?.identity).toBeGreaterThanOrEqual(256);
    const { policies: status } = await agent.client.status();
    expect(status).toMatchObject({ count: 0, rows: 0, problem: null });
  });

  it('is enforced when the call returns, whole lists and single objects, and taken back', async () => {
    const change = await agent.client.setPolicies(update(egressTo(80)));
    expect(change.outcomes).toEqual([{ kind: 'CiliumNetworkPolicy', namespace: 'test', name: 'egress', outcome: 'created' }]);
    expect([await fromPod(80), await fromPod(81)]).toEqual(['web', 'TIMEOUT']);
    await agent.client.applyPolicies(policies(egressTo(81)));
    expect([await fromPod(80), await fromPod(81)]).toEqual(['TIMEOUT', 'web']);
    // the list comes again: what an operator said still wins
    await agent.client.setPolicies(update(egressTo(80)));
    expect([await fromPod(80), await fromPod(81)]).toEqual(['TIMEOUT', 'web']);
    const { policies: listed } = await agent.client.policies();
    expect(listed).toMatchObject([{ origin: 'operator', valid: true, pods: ['test/pod'], notEnforced: [], isolates: ['egress'] }]);
    await agent.client.deletePolicy({ kind: 'CiliumNetworkPolicy', namespace: 'test', name: 'egress' });
    expect([await fromPod(80), await fromPod(81)]).toEqual(['web', 'TIMEOUT']);
    await expect(agent.client.deletePolicy({ kind: 'CiliumNetworkPolicy', namespace: 'test', name: 'egress' })).rejects.toMatchObject({
      code: 'POLICY_UNKNOWN',
    });
  });

  it('keeps ranges of NetworkPolicy, whose bytes JSON cannot carry', async () => {
    const text = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: block }
spec: { podSelector: {}, policyTypes: [Egress], egress: [{ to: [{ ipBlock: { cidr: 10.9.0.0/24, except: [10.9.0.3/32] } }], ports: [{ port: 80 }] }] }
`;
    await agent.client.setPolicies(update(text));
    expect([await fromPod(80), await fromPod(81)]).toEqual(['web', 'TIMEOUT']);
  });

  it('goes on with the others where one is invalid, and says which and why', async () => {
    const invalid = 'apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: { name: wrong }\nspec: { endpointSelector: {} }\n';
    await agent.client.setPolicies(update(`${egressTo(80)}---\n${invalid}`));
    expect([await fromPod(80), await fromPod(81)]).toEqual(['web', 'TIMEOUT']);
    const { policies: listed } = await agent.client.policies();
    expect(listed.map(({ reference, valid }) => `${reference.name} ${valid}`)).toEqual(['egress true', 'wrong false']);
    expect(listed[1]?.reasons.join()).toMatch(/Ingress.*Egress/);
    expect((await agent.client.status()).policies).toMatchObject({ count: 2, invalid: 1, problem: null });
  });

  it('follows the labels of a pod and its annotations', async () => {
    await agent.client.setPolicies(update(egressTo(80, '{ matchLabels: { app: pod } }')));
    expect(await fromPod(81)).toBe('TIMEOUT');
    await agent.client.enrol(request({ annotations: { 'millrace.io/policy-audit': 'true' } }));
    expect(await fromPod(81)).toBe('web');
    await agent.client.enrol(request({ annotations: { 'millrace.io/deny': 'reject' } }));
    expect(await fromPod(81)).toBe('ECONNREFUSED');
    await agent.client.enrol(request({ labels: { app: 'other' } }));
    expect(await fromPod(81)).toBe('web');
  });

  it('is told by trace as the tables and the loaded program say', async () => {
    await agent.client.setPolicies(update(egressTo(80)));
    const ask = (port: number) => agent.client.tracePolicy({ source: '10.9.0.2', destination: server, protocol: TCP, port });
    const program = { program: 'mr_policy_from_pod', interfaceIndex: netnsInterfaces(network.outside.handle).get('eth0') };
    const allowed = await ask(80);
    expect(allowed).toMatchObject({
      verdict: 'allow',
      agrees: true,
      sides: [{ direction: 'egress', program: { kind: 'pass', ...program } }],
    });
    expect(allowed.sides[0]?.text).toContain('egress rule 1 of CiliumNetworkPolicy test/egress');
    expect(await ask(81)).toMatchObject({ verdict: 'deny', agrees: true, sides: [{ reason: 133, program: { kind: 'drop', ...program } }] });
    const inwards = await agent.client.tracePolicy({ source: server, destination: '10.9.0.2', protocol: TCP, port: 8080 });
    expect(inwards).toMatchObject({ verdict: 'allow', agrees: true, sides: [{ program: { kind: 'pass', program: 'mr_policy_to_pod' } }] });
  });

  it('goes on when the agent is killed, and is what it was for the next one', async () => {
    await agent.client.setPolicies(update(egressTo(80)));
    await agent.stop('SIGKILL');
    expect([await fromPod(80), await fromPod(81)]).toEqual(['web', 'TIMEOUT']);
    agent = await start();
    expect([await fromPod(80), await fromPod(81)]).toEqual(['web', 'TIMEOUT']);
    const status = await agent.client.status();
    expect(status).toMatchObject({ adopted: true, drift: { repaired: 0 }, policies: { count: 1 } });
    expect(status.programs.filter(({ attached }) => attached === 'detached')).toEqual([]);
  });

  it('comes back where somebody took its program away', async () => {
    await agent.client.setPolicies(update(egressTo(80)));
    const [pod] = await agent.client.pods();
    const index = netnsInterfaces(network.outside.handle).get('eth0');
    rmSync(pinsAt(instance.pins).link('mr_policy_from_pod', BigInt(pod?.cookie ?? 0), index));
    expect(await fromPod(81)).toBe('web');
    const { drift } = await until('the program is put back', async () => {
      const status = await agent.client.status();
      return status.drift.repaired > 0 ? status : null;
    });
    expect(drift.last).toBe('mr_policy_from_pod of test/pod put back');
    expect(await fromPod(81)).toBe('TIMEOUT');
  });

  it('ends for a pod with its enrolment', async () => {
    await agent.client.setPolicies(update(egressTo(80)));
    await agent.client.release('test/pod');
    expect(await fromPod(81)).toBe('web');
  });

  it('says where it cannot be enforced', async () => {
    const other = cleanup.use(await createPodNetwork());
    await agent.client.setPolicies(update(egressTo(80)));
    await agent.client.enrol(request({ name: 'test/far', netns: other.pod.path }));
    const far = (await agent.client.pods()).find(({ name }) => name === 'test/far');
    expect(far?.problems).toEqual([expect.stringContaining('policy is not enforced on eth0')]);
    const { policies: listed } = await agent.client.policies();
    expect(listed[0]).toMatchObject({ pods: ['test/far', 'test/pod'], notEnforced: [{ pod: 'test/far' }] });
    await agent.client.release('test/far');
  });

  it('refuses what is no list of policies', async () => {
    // @ts-expect-error the list is not typed on its way
    await expect(agent.client.setPolicies({ policies: [{ kind: 'Pod' }] })).rejects.toMatchObject({ code: 'USAGE' });
  });

  it('is enforced with 5,000 identities as soon as the call has been answered', async () => {
    const pods = Array.from({ length: 5000 }, (_, index) => ({
      name: `far-${index}`,
      namespace: 'test',
      labels: { app: `far-${index}` },
      serviceAccount: 'default',
      addresses: [`10.${20 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`],
      namedPorts: [],
      hostNetwork: false,
      local: false,
      workload: null,
    }));
    const namespaces = [{ name: 'test', labels: {} }];
    await agent.client.setPolicies(update('', { pods, namespaces }));
    expect((await agent.client.status()).policies.identities).toBeGreaterThan(5000);
    const times: number[] = [];
    for (let round = 0; round < 30; round += 1) {
      const port = round % 2 === 0 ? 80 : 81;
      const { milliseconds } = await agent.client.applyPolicies(policies(egressTo(port)));
      times.push(milliseconds);
      if (round % 10 > 7) expect([await fromPod(80), await fromPod(81)]).toEqual(port === 80 ? ['web', 'TIMEOUT'] : ['TIMEOUT', 'web']);
      await sleep(5);
    }
    times.sort((a, b) => a - b);
    process.stdout.write(`policy change to enforced: median ${times[15]?.toFixed(1)} ms, slowest of 30 ${times[29]?.toFixed(1)} ms\n`);
    await agent.client.deletePolicy({ kind: 'CiliumNetworkPolicy', namespace: 'test', name: 'egress' });
  }, 60_000);
});
