import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AgentInstance, AgentProcess } from '../../test/support/agent-process.ts';
import { createAgentInstance } from '../../test/support/agent-process.ts';
import type { PodNetwork } from '../../test/support/network.ts';
import { createPodNetwork } from '../../test/support/network.ts';
import { millrace, until } from '../../test/support/run-process.ts';
import { application, dial, listen, root } from '../../test/support/tcp.ts';
import { subjectCodec } from '../abi/gen/index.ts';
import { Cleanup } from '../base/cleanup.ts';
import { BpfMap, findCgroup2, mapCodec, moveToCgroup, u32 } from '../kernel/index.ts';
import { pinsAt } from '../redirect/ebpf/pins.ts';

// An agent on its own, without a lab: what its operator types.
const cleanup = new Cleanup();
let instance: AgentInstance;
let network: PodNetwork;
let agent: AgentProcess;

beforeAll(async () => {
  instance = cleanup.use(createAgentInstance());
  const home = join(findCgroup2(), /^0::(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? '');
  cleanup.defer(() => writeFileSync(join(home, 'cgroup.procs'), String(process.pid)));
  network = cleanup.use(await createPodNetwork());
  for (const port of [80, 81]) cleanup.use(await listen(network.outside, root, 'web', `0.0.0.0:${port}`));
  agent = instance.start(['--node-netns', network.outside.path]);
  await agent.ready();
  const labels = { app: 'pod' };
  const { path: netns } = network.pod;
  await agent.client.enrol({ name: 'test/pod', netns, labels, annotations: {}, uidMap: null, meshed: false, backend: 'sk_lookup' });
  moveToCgroup(instance.cgroup, process.pid);
});

afterAll(() => cleanup[Symbol.asyncDispose]());

const egress = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: only-80, namespace: test }
spec: { podSelector: { matchLabels: { app: pod } }, policyTypes: [Egress], egress: [{ ports: [{ port: 80 }] }] }
`;

const policy = (verb: string, args: readonly string[], input = '') =>
  millrace(['policy', verb, '--instance', instance.name, ...args], { input });
const trace = (port: number, ...more: readonly string[]) =>
  policy('trace', ['--from', 'test/pod', '--to', '10.9.0.1', '--port', String(port), ...more]);
const reached = async () => Promise.all([80, 81].map(async (port) => (await dial(network.pod, application, `10.9.0.1:${port}`)).answer));

describe('millrace policy, at an agent on its own', () => {
  it('applies, lists and deletes', async () => {
    expect(await policy('apply', ['-f', '-'], egress)).toEqual({
      status: 0,
      stdout: 'networkpolicy.networking.k8s.io/only-80 created\n',
      stderr: '',
    });
    expect(await reached()).toEqual(['web', 'TIMEOUT']);
    expect((await policy('apply', ['-f', '-'], egress)).stdout).toBe('networkpolicy.networking.k8s.io/only-80 unchanged\n');
    expect((await policy('list', [])).stdout).toMatch(/^NetworkPolicy +test +only-80 +yes +egress +1 +test\/pod$/m);
    expect(JSON.parse((await policy('list', ['-o', 'json'])).stdout)).toMatchObject([{ valid: true, pods: ['test/pod'] }]);
    const deleted = 'networkpolicy.networking.k8s.io/only-80 deleted\n';
    expect(await policy('delete', ['-f', '-'], egress)).toEqual({ status: 0, stdout: deleted, stderr: '' });
    expect((await policy('delete', ['-f', '-'], egress)).status).toBe(1);
    expect(await reached()).toEqual(['web', 'web']);
  });

  it('traces, and fails where the kernel does something else than the tables say', async () => {
    await policy('apply', ['-f', '-'], egress);
    expect(await trace(80, '--expect', 'allow')).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('allowed by egress rule 1 of NetworkPolicy test/only-80'),
    });
    expect(await trace(81, '--expect', 'allow')).toMatchObject({ status: 1, stdout: expect.stringContaining('DENIED') });
    const [pod] = await agent.client.pods();
    // until the agent has looked: every three seconds
    const wrong = await until('the trace sees the row that somebody deleted', async () => {
      using subjects = BpfMap.openPinned(pinsAt(instance.pins).map('mr_subjects'), mapCodec(u32, subjectCodec));
      subjects.delete(pod?.identity ?? 0);
      const seen = await trace(81);
      return seen.status === 0 ? null : seen;
    });
    expect(wrong.status).toBe(1);
    expect(wrong.stdout).toMatch(/mr_policy_from_pod at interface \d+: passes - NOT what the tables say\n/);
    expect(wrong.stdout).toContain('THE LOADED PROGRAMS DO NOT AGREE');
    await until('the agent has put the row back', async () => ((await trace(81)).status === 0 ? true : null));
    await policy('delete', ['-f', '-'], egress);
  });

  it('refuses what it cannot understand', async () => {
    const usage = async (args: readonly string[]) => (await policy('trace', args)).status;
    expect(await usage(['--from', 'test/pod', '--to', '10.9.0.1'])).toBe(2);
    expect(await usage(['--to', '10.9.0.1', '--port', '80'])).toBe(2);
    expect(await usage(['--from', 'test/pod', '--to', '2001:db8::1', '--port', '80', '--protocol', 'gre'])).toBe(2);
    const nobody = await policy('trace', ['--from', 'test/nobody', '--to', '10.9.0.1', '--port', '80']);
    expect(nobody).toMatchObject({ status: 1, stderr: expect.stringContaining('POD_UNKNOWN') });
    const service = 'apiVersion: v1\nkind: Service\nmetadata: { name: x }\nspec: { ports: [{ port: 80 }] }\n';
    expect(await policy('apply', ['-f', '-'], service)).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('current value Service'),
    });
  });
});
