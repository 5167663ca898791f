import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { AgentClient } from '../../src/api/client.ts';
import { instancePaths } from '../../src/api/paths.ts';
import type { FlowStatus } from '../../src/api/types.ts';
import { Cleanup } from '../../src/base/cleanup.ts';
import { compilePrograms } from '../../src/bench/compile.ts';
import { isPolicy } from '../../src/manifests/kinds.ts';
import { parseManifests } from '../../src/manifests/parse.ts';
import { hubbleClient } from '../../src/serve/hubble/client.ts';
import { createAgentInstance } from '../../test/support/agent-process.ts';
import { createPodNetwork } from '../../test/support/network.ts';
import { outputOf, startPlaced } from '../support/placed-process.ts';

export interface FlowStormOptions {
  readonly seconds: number;
  readonly perSecond: number;
  /** What a pod may tell on one CPU within a second; 0: all, so that nothing protects the agent. */
  readonly flowLimit: number;
}

export interface FlowStormResult {
  readonly seconds: number;
  /** Packets that the pod sent, and that policy dropped. */
  readonly sent: number;
  readonly dropped: number;
  /** Of the events meanwhile. Each drop is two: the verdict and the drop. */
  readonly events: Pick<FlowStatus, 'emitted' | 'delivered' | 'lost' | 'suppressed'>;
  /** Processors' time of the agent by time passed: 1 is one whole core. */
  readonly cores: number;
  readonly residentMiB: number;
  /** Milliseconds of a query for the 20 newest drops, asked twice in a second. */
  readonly queries: { readonly count: number; readonly median: number; readonly slowest: number };
}

const policy = `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: closed, namespace: bench }
spec:
  endpointSelector: { matchLabels: { app: flood } }
  egress: [{ toEndpoints: [{ matchLabels: { app: nobody } }] }]
`;
const ticksPerSecond = 100;

/**
 * A pod that floods the node with first packets of connections, all of which policy drops, before a real agent of whom somebody asks for drops
 * meanwhile. Needs root; everything it makes is gone at the end.
 */
export async function runFlowStorm({ seconds, perSecond, flowLimit }: FlowStormOptions): Promise<FlowStormResult> {
  await using cleanup = new Cleanup();
  const programs = cleanup.use(compilePrograms(['bench/flows/syn-flood.c']));
  const instance = cleanup.use(createAgentInstance());
  const network = cleanup.use(await createPodNetwork());
  const agent = instance.start(['--node-netns', network.outside.path, '--flow-limit', String(flowLimit), '--accelerate', 'off']);
  await agent.ready();
  const paths = instancePaths(instance.name);
  const client = new AgentClient(paths.agentSocket);
  const { manifests } = parseManifests(policy, 'policy.yaml');
  await client.applyPolicies(manifests.filter(isPolicy));
  await client.enrol({
    name: 'bench/flood',
    netns: network.pod.path,
    labels: { app: 'flood' },
    annotations: {},
    uidMap: null,
    meshed: false,
    backend: 'sk_lookup',
  });
  const before = await client.status();
  const usedBefore = processorSeconds(agent.pid);
  const started = performance.now();
  const place = { cgroup: instance.cgroup, netns: network.pod.path, uid: 0, cpu: null };
  const flood = startPlaced(place, programs.path('syn-flood'), ['10.9.0.2', '198.51.100.9', '5432', String(perSecond), String(seconds)]);
  const over = outputOf(flood, 'the flood');
  const latencies = await askUntil(over, paths.hubbleSocket);
  const sent = Number((await over).toString().trim());
  const passed = (performance.now() - started) / 1000;
  const cores = (processorSeconds(agent.pid) - usedBefore) / passed;
  const after = await settled(client);
  const difference = (name: 'emitted' | 'delivered' | 'lost' | 'suppressed'): number => after.flows[name] - before.flows[name];
  const sorted = [...latencies].sort((one, other) => one - other);
  return {
    seconds: passed,
    sent,
    dropped: (after.counters.policy_dropped ?? 0) - (before.counters.policy_dropped ?? 0),
    events: {
      emitted: difference('emitted'),
      delivered: difference('delivered'),
      lost: difference('lost'),
      suppressed: difference('suppressed'),
    },
    cores,
    residentMiB: after.rssBytes / 1024 / 1024,
    queries: {
      count: sorted.length,
      median: sorted[Math.floor(sorted.length / 2)] ?? Number.NaN,
      slowest: sorted.at(-1) ?? Number.NaN,
    },
  };
}

/** Asks for the newest drops again and again; how long each answer took. @throws Error when one does not name them */
async function askUntil(over: Promise<unknown>, socket: string): Promise<readonly number[]> {
  let running = true;
  const stop = (): void => {
    running = false;
  };
  // whoever awaits it is told of its failure
  void over.then(stop, stop);
  const hubble = hubbleClient(`unix://${socket}`, null);
  const latencies: number[] = [];
  await sleep(500);
  while (running) {
    const asked = performance.now();
    let drops = 0;
    for await (const { responseTypes } of hubble.getFlows({ number: 20n, whitelist: [{ sourceLabel: ['app=flood'], verdict: [2] }] })) {
      if (responseTypes.case === 'flow' && responseTypes.value.destination?.identity === 2) drops += 1;
    }
    latencies.push(performance.now() - asked);
    if (drops !== 20) throw new Error(`asked for 20 drops to the world and got ${drops}`);
    await sleep(500);
  }
  return latencies;
}

/** The status once nothing waits in the ring any more. */
async function settled(client: AgentClient) {
  for (let attempt = 0; ; attempt += 1) {
    const status = await client.status();
    const { emitted, delivered, lost } = status.flows;
    if (emitted === delivered + lost || attempt === 50) return status;
    await sleep(100);
  }
}

/** User and system time of a process, in seconds (proc(5): fields 14 and 15 of stat). */
function processorSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}
