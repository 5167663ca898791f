import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { PolicyUpdate } from '../api/policy-types.ts';
import type { ServiceEntry } from '../api/types.ts';
import { silentLogger } from '../base/log.ts';
import { projectRoot } from '../base/project.ts';
import { createCgroup, findCgroup2 } from '../kernel/index.ts';
import { parseManifests } from '../manifests/parse.ts';
import type { Manifest } from '../manifests/types.ts';
import type { PodRequest } from '../pods/types.ts';
import type { LabOptions } from './api.ts';
import { ControlPlane } from './control/control-plane.ts';
import type { NodeAgentPort } from './control/node-agent.ts';
import { Lab } from './lab.ts';
import { removeLeftovers } from './leftovers.ts';
import { machinePrograms } from './machine.ts';
import type { Holder } from './node/holder.ts';
import { startHolder } from './node/holder.ts';
import { nodeNetworkBatch } from './node/network-script.ts';
import { OutsideServers } from './node/outside-servers.ts';
import { labPaths } from './paths.ts';

/** Remembers what it is asked, in the place of the agent's process. */
class RecordingAgent implements NodeAgentPort {
  readonly pods = new Map<string, PodRequest>();
  services: readonly ServiceEntry[] = [];
  policies: PolicyUpdate | null = null;

  async enrol(pod: PodRequest): Promise<void> {
    this.pods.set(pod.name, pod);
  }

  async release(name: string): Promise<void> {
    this.pods.delete(name);
  }

  setServices(services: readonly ServiceEntry[]): void {
    this.services = services;
  }

  status() {
    return { state: 'running', pid: null, restarts: 0, lastError: null } as const;
  }

  readonly policyProblem = null;

  async setPolicies(update: PolicyUpdate): Promise<void> {
    this.policies = update;
  }

  readonly acceleration = null;

  async refresh(): Promise<void> {}

  async close(): Promise<void> {}
}

const options: LabOptions = {
  instance: `test-${process.pid}`,
  redirect: 'none',
  inbound: 'sk_lookup',
  accelerate: 'auto',
  connections: false,
  certificateSeconds: 60,
  envoy: null,
};
const paths = labPaths(options.instance, findCgroup2());
let node: Holder;
let agent: RecordingAgent;
let controlPlane: ControlPlane;
let lab: Lab;
let outside: OutsideServers;

beforeEach(async () => {
  for (const cgroup of [paths.podsCgroup, paths.nodeCgroup]) createCgroup(cgroup);
  mkdirSync(paths.pods, { recursive: true });
  const batch = nodeNetworkBatch(true);
  node = await startHolder({ hostname: 'node', cgroup: paths.nodeCgroup, sysctls: {}, batch, other: null }, new AbortController().signal);
  agent = new RecordingAgent();
  controlPlane = await ControlPlane.create({ backend: { kind: 'ebpf', inbound: 'sk_lookup' }, certificateMs: 60_000, log: silentLogger });
  const dist = join(projectRoot(), 'dist');
  outside = new OutsideServers({ node, cgroup: paths.nodeCgroup, dist, log: silentLogger });
  const machine = () => machinePrograms(dist);
  lab = new Lab({ options, paths, machine, nodePid: node.pid, ipv6: true, agent, controlPlane, outside, log: silentLogger });
});

afterEach(async () => {
  await lab.close();
  await outside.close();
  controlPlane.close();
  await node.close();
  await removeLeftovers(paths);
  expect([paths.run, paths.cgroup].filter(existsSync)).toEqual([]);
});

function shop(replicas: number, command = 'sleep 1000'): readonly Manifest[] {
  const text = `
apiVersion: v1
kind: Service
metadata: {name: web, namespace: demo}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: demo}
spec:
  replicas: ${replicas}
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: millrace.io/host, command: [/bin/sh, -c, "${command}"]}]}
`;
  return parseManifests(text, 'shop.yaml').manifests;
}

async function settled(): Promise<void> {
  const deadline = performance.now() + 15_000;
  while (lab.status().state !== 'settled') {
    if (performance.now() > deadline)
      throw new Error(`not settled: ${JSON.stringify(lab.status().pods.map(({ name, phase, problem }) => ({ name, phase, problem })))}`);
    await delay(20);
  }
}

const names = () => lab.pods().map((pod) => pod.name);

test('apply() starts the pods of a Deployment, enrols them and makes them endpoints; delete() leaves none', async () => {
  await lab.apply(shop(2));
  await settled();
  const addresses = lab.pods().map((pod) => pod.addresses[0]);
  expect(new Set(addresses).size).toBe(2);
  expect([...agent.pods.values()].map((pod) => pod.meshed)).toEqual([false, false]);
  await expect.poll(() => agent.services[0]?.backends.map((backend) => backend.address).sort()).toEqual([...addresses].sort());
  await lab.delete(shop(2).map(({ kind, metadata: { namespace, name } }) => ({ kind, namespace, name })));
  await settled();
  expect([lab.pods(), agent.services, [...agent.pods]]).toEqual([[], [], []]);
});

test('apply() again with the same objects changes nothing', async () => {
  await lab.apply(shop(1));
  await settled();
  const before = names();
  const { outcomes } = await lab.apply(shop(1));
  await settled();
  expect(outcomes.map(({ outcome }) => outcome)).toEqual(['unchanged', 'unchanged']);
  expect(names()).toEqual(before);
});

test('apply() scales without touching the pods that stay, and replaces them when the template changes', async () => {
  await lab.apply(shop(1));
  await settled();
  const [first] = names();
  await lab.apply(shop(2));
  await settled();
  expect(names()).toHaveLength(2);
  expect(names()).toContain(first);
  await lab.apply(shop(1, 'sleep 2000'));
  await settled();
  expect(names()).toHaveLength(1);
  expect(names()).not.toContain(first);
});

test('apply() keeps the old pod when the new template crashes', async () => {
  await lab.apply(shop(1));
  await settled();
  const [old] = names();
  await lab.apply(shop(1, 'exit 1'));
  await expect.poll(() => lab.pods().some((pod) => pod.phase === 'CrashLoopBackOff'), { timeout: 5000 }).toBe(true);
  expect(lab.pods().find((pod) => pod.name === old)).toMatchObject({ ready: true, terminating: false });
});

test('apply() refuses everything when one object is wrong', async () => {
  const wrong = parseManifests(
    'apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, image: redis}]}\n',
    'f',
  ).manifests;
  await expect(lab.apply([...shop(1), ...wrong])).rejects.toMatchObject({ code: 'IMAGE_UNKNOWN' });
  expect(lab.status()).toMatchObject({ pods: [], services: [] });
});

test('a pod whose program is missing is Failed and says why, and others run', async () => {
  const text = 'apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: demo}\nspec: {containers: [{name: c, image: postgres}]}\n';
  await lab.close();
  const machine = () => ({ ...machinePrograms(join(projectRoot(), 'dist')), postgres: null });
  lab = new Lab({ options, paths, machine, nodePid: node.pid, ipv6: true, agent, controlPlane, outside, log: silentLogger });
  await lab.apply([...shop(1), ...parseManifests(text, 'f').manifests]);
  await expect.poll(() => lab.pods().filter((pod) => pod.ready).length, { timeout: 5000 }).toBe(1);
  expect(lab.pods().find((pod) => pod.name === 'p')).toMatchObject({
    phase: 'Failed',
    problem: expect.stringContaining('no PostgreSQL server'),
  });
});

test('a pod whose disk is full is Failed and says which', async () => {
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4k', 'millrace-test', paths.pods]);
  try {
    writeFileSync(join(paths.pods, 'fill'), Buffer.alloc(4096));
    await lab.apply(shop(1));
    await expect
      .poll(() => lab.pods().map(({ phase, problem }) => ({ phase, problem })), { timeout: 5000 })
      .toEqual([
        {
          phase: 'Failed',
          problem: expect.stringMatching(`^Cannot write the files of the pod because the file system is full .ENOSPC.: ${paths.pods}/`),
        },
      ]);
  } finally {
    execFileSync('umount', ['--lazy', paths.pods]);
  }
});
