import { readFileSync } from 'node:fs';
import { stderr } from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentClient } from '../../src/api/client.ts';
import type { PolicyUpdate } from '../../src/api/policy-types.ts';
import { isPolicy } from '../../src/manifests/kinds.ts';
import { parseManifests } from '../../src/manifests/parse.ts';
import type { PolicyManifest } from '../../src/manifests/types.ts';
import { createPodNetwork } from '../../test/support/network.ts';
import { startAgent } from '../support/agent-process.ts';
import { createBenchNode } from '../support/bench-node.ts';
import type { SyntheticSize } from './synthetic.ts';

/** Changes of one policy, each timed by a clock on the wall outside of the agent: from the call until the answer that the kernel judges by it. */
export interface ChangeReport {
  readonly identities: number;
  readonly policies: number;
  readonly rows: number;
  readonly changes: number;
  /** Milliseconds. */
  readonly median: number;
  readonly p99: number;
  readonly slowest: number;
  /** The first list, with everything. */
  readonly load: number;
  /** Resident memory of the agent, MiB. */
  readonly resident: ResidentMemory;
  /** Changes after which a loaded program did not do what they say. */
  readonly wrong: number;
}

/** MiB. */
export interface ResidentMemory {
  /** The most it ever was. */
  readonly peak: number;
  /** Some seconds after the first list, when nothing happens. */
  readonly settled: number;
  /** After all changes. */
  readonly atEnd: number;
}

const rulesPerPolicy = 40;
const source = '10.9.0.2';
const destination = '10.9.0.1';
const TCP = 6;
const callMs = 60_000;
/** A look at the programs costs the agent more than a change. */
const changesPerLook = 10;
/** Changes come this far apart, as those of operators do at the very least. */
const pauseMs = 20;
/** What a load needed for a moment only has been given back then. */
const settleMs = 15_000;

/**
 * Brings a large cluster into a real agent, and then changes one policy of a pod of this node to and fro. After every tenth change, and not timed, the loaded
 * program is asked what it does with a packet that is allowed now and one that is not any more.
 */
export async function measureChanges({ rules, identities, prefixes }: SyntheticSize, changes: number): Promise<ChangeReport> {
  await using node = await createBenchNode();
  using network = await createPodNetwork();
  await using agent = await startAgent(node.pods, node.pins, ['--node-netns', network.outside.path]);
  const { client } = agent;
  await client.enrol({
    name: 'probe/pod',
    netns: network.pod.path,
    labels: { app: 'probe' },
    annotations: {},
    uidMap: null,
    meshed: false,
    backend: 'auto',
  });
  const update = largeUpdate(rules, identities, Math.max(1, Math.round(prefixes / identities)));
  stderr.write(`${identities} identities and ${rules} rules go to an agent\n`);
  const load = await timed(() => client.setPolicies(update, { timeoutMs: callMs }));
  await sleep(settleMs);
  const settled = mebibytes((await client.status()).rssBytes);
  const times: number[] = [];
  let wrong = 0;
  for (let change = 0; change < changes; change += 1) {
    const [now, before] = change % 2 === 0 ? [80, 81] : [81, 80];
    const policies = probePolicy(now);
    await sleep(pauseMs);
    times.push(await timed(() => client.applyPolicies(policies, { timeoutMs: callMs })));
    if (change % changesPerLook === 0 && !((await passes(client, now)) && !(await passes(client, before)))) wrong += 1;
  }
  times.sort((a, b) => a - b);
  const at = (share: number): number => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0;
  const status = await client.status();
  return {
    identities: status.policies.identities,
    policies: status.policies.count,
    rows: status.policies.rows,
    changes,
    median: at(0.5),
    p99: at(0.99),
    slowest: at(1),
    load,
    resident: { peak: peakOf(agent.pid), settled, atEnd: mebibytes(status.rssBytes) },
    wrong,
  };
}

/** Three lines for people. */
export function changesText(report: ChangeReport): string {
  const { identities, policies, rows, changes, median, p99, slowest, load, resident, wrong } = report;
  return [
    `agent with ${identities} identities, ${policies} policies, ${rows} rows: everything for the first time ${load.toFixed(0)} ms\n`,
    `RSS of the agent: peak ${resident.peak} MiB, ${settleMs / 1000} s after the load ${resident.settled} MiB, after all changes ${resident.atEnd} MiB\n`,
    `policy change to enforced, ${changes} changes: median ${median.toFixed(1)} ms, P99 ${p99.toFixed(1)} ms, slowest ${slowest.toFixed(1)} ms; `,
    `${wrong} not as the program then did\n`,
  ].join('');
}

function mebibytes(bytes: number): number {
  return Math.round(bytes / 2 ** 20);
}

/** The kernel's high-water mark of a process's resident memory, MiB; proc(5). */
function peakOf(pid: number): number {
  const kibibytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  if (kibibytes === undefined) throw new Error(`Cannot tell the peak of process ${pid} because its status has no VmHWM`);
  return Math.round(Number(kibibytes) / 1024);
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

/** What the loaded program does, not the tables. */
async function passes(client: AgentClient, port: number): Promise<boolean> {
  const { sides } = await client.tracePolicy({ source, destination, protocol: TCP, port }, { timeoutMs: callMs });
  return sides.every(({ program }) => program.kind === 'pass');
}

function probePolicy(port: number): readonly PolicyManifest[] {
  return read([
    policy('probe', 'probe', 'probe', {
      egress: [{ toCIDR: [`${destination}/32`], toPorts: [{ ports: [{ port: String(port), protocol: 'TCP' }] }] }],
    }),
  ]);
}

/** Pods of another node, each with an identity of its own, in one namespace, and policies of forty rules that name them by their labels. */
function largeUpdate(rules: number, identities: number, addresses: number): PolicyUpdate {
  const policies = Math.max(1, Math.floor(rules / rulesPerPolicy));
  const app = (index: number): string => `app-${index % identities}`;
  const objects = Array.from({ length: policies }, (_, index) =>
    policy('far', `policy-${index}`, app(index), {
      ingress: Array.from({ length: rulesPerPolicy }, (_rule, rule) => ({
        fromEndpoints: [{ matchLabels: { app: app(index * 97 + rule) } }],
        toPorts: [{ ports: [{ port: String(1000 + rule), protocol: 'TCP' }] }],
      })),
    }),
  );
  let next = 0;
  const address = (): string => {
    next += 1;
    return `10.${64 + (next >> 16)}.${(next >> 8) & 255}.${next & 255}`;
  };
  return {
    policies: read(objects),
    namespaces: [
      { name: 'far', labels: {} },
      { name: 'probe', labels: {} },
    ],
    services: [],
    nodes: [{ name: 'node', labels: {}, addresses: ['10.9.9.9'], local: true }],
    pods: Array.from({ length: identities }, (_, index) => ({
      name: `pod-${index}`,
      namespace: 'far',
      labels: { app: app(index) },
      serviceAccount: 'default',
      addresses: Array.from({ length: addresses }, address),
      namedPorts: [],
      hostNetwork: false,
      local: false,
      workload: null,
    })),
  };
}

function policy(namespace: string, name: string, app: string, rules: object): object {
  return {
    apiVersion: 'cilium.io/v2',
    kind: 'CiliumNetworkPolicy',
    metadata: { name, namespace },
    spec: { endpointSelector: { matchLabels: { app } }, ...rules },
  };
}

function read(objects: readonly object[]): readonly PolicyManifest[] {
  return parseManifests(JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }), 'bench').manifests.filter(isPolicy);
}
