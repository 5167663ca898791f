import { setTimeout as sleep } from 'node:timers/promises';
import { Cleanup } from '../../src/base/cleanup.ts';
import type { CompiledPrograms } from '../../src/bench/compile.ts';
import { compilePrograms } from '../../src/bench/compile.ts';
import { createPodNetwork } from '../../test/support/network.ts';
import { startAgent } from '../support/agent-process.ts';
import type { BenchNode } from '../support/bench-node.ts';
import { createBenchNode } from '../support/bench-node.ts';
import { outputOf, startPlaced, stop, untilReady } from '../support/placed-process.ts';
import type { Usage } from './usage.ts';
import { growthOf, readUsage } from './usage.ts';

export interface StormOptions {
  readonly seconds: number;
  /** Connections a second, of all clients together. */
  readonly perSecond: number;
  /** Client processes to the pod whose proxy answers; at least 2, one for each family. One more dials in a pod without a proxy. */
  readonly clients: number;
}

/** What the clients did, all together. */
export interface Tally {
  readonly attempts: number;
  readonly whole: number;
  readonly refused: number;
  readonly failed: number;
}

export interface StormResult {
  readonly tally: Tally;
  readonly before: Usage;
  readonly after: Usage;
  /** What is more after than before; empty when all is well. */
  readonly growth: readonly string[];
}

const targets = ['203.0.113.5', '2001:db8::5'] as const;
const proxyUid = 1337;
const applicationUid = 1000;
/** Share of the connections that goes to the pod without a proxy, where each is refused. */
const refusedShare = 0.05;

/**
 * A storm of connections through redirection, of which every fourth is a whole exchange and the others end in ways that are easy to forget;
 * then a look at what is left. Needs root; everything it makes is gone at the end.
 */
export async function runStorm(options: StormOptions): Promise<StormResult> {
  await using cleanup = new Cleanup();
  const programs = cleanup.use(compilePrograms(['bench/connect/server.c', 'bench/storm/storm.c']));
  const node = cleanup.use(await createBenchNode());
  const agent = cleanup.use(await startAgent(node.pods, node.pins));
  const meshed = cleanup.use(await createPodNetwork()).pod;
  const lonely = cleanup.use(await createPodNetwork()).pod;
  await agent.addPod('bench/meshed', meshed.path);
  await agent.addPod('bench/lonely', lonely.path);
  // A proxy has one listener for each of its workers, and waits for what comes in too; without that the agent would go on looking for it.
  for (const port of ['15001', '15001', '15006']) {
    const place = { cgroup: node.pods, netns: meshed.path, uid: proxyUid, cpu: null };
    const server = startPlaced(place, programs.path('server'), [port, 'proxy']);
    cleanup.defer(() => stop(server));
    await untilReady(server, 'the proxy');
  }
  const pids = [meshed, lonely].map(({ path }) => Number(/\/proc\/(\d+)\//.exec(path)?.[1]));
  const dials = plan(options, meshed.path, lonely.path);
  // What is allocated once, by the first connections, is no growth.
  await dial(node, programs, dials, 1);
  const before = await settled(agent.pid, pids, null);
  const tally = await dial(node, programs, dials, options.seconds);
  const after = await settled(agent.pid, pids, before);
  return { tally, before, after, growth: growthOf(before, after) };
}

interface Dial {
  readonly netns: string;
  readonly address: string;
  readonly perSecond: number;
}

function plan({ perSecond, clients }: StormOptions, meshed: string, lonely: string): readonly Dial[] {
  const each = (perSecond * (1 - refusedShare)) / clients;
  const dials = Array.from({ length: clients }, (_, index): Dial => {
    return { netns: meshed, address: targets[index % 2 === 0 ? 0 : 1], perSecond: Math.floor(each) };
  });
  return [...dials, { netns: lonely, address: targets[0], perSecond: Math.floor(perSecond * refusedShare) }];
}

async function dial(node: BenchNode, programs: CompiledPrograms, dials: readonly Dial[], seconds: number): Promise<Tally> {
  const outputs = await Promise.all(
    dials.map(({ netns, address, perSecond }) => {
      const place = { cgroup: node.pods, netns, uid: applicationUid, cpu: null };
      const client = startPlaced(place, programs.path('storm'), [address, '80', String(seconds), String(perSecond)]);
      return outputOf(client, 'a client');
    }),
  );
  const counts = outputs.map((output) => output.toString().trim().split(' ').map(Number));
  const sum = (index: number) => counts.reduce((total, row) => total + (row[index] ?? Number.NaN), 0);
  return { attempts: sum(0), whole: sum(1), refused: sum(2), failed: sum(3) };
}

/** Looks at the usage for so long, ms: the agent opens what it looks at, and its heap breathes. */
const lookMs = 3000;
/** Sockets whose owners are gone end within this time, ms: the kernel repeats a lost FIN for so long. It is waited for only while there are some. */
const patienceMs = 130_000;

/** The usage once no socket ends any more, or is what it was at `goal`; the least of several looks for what comes and goes. */
async function settled(agentPid: number, podPids: readonly number[], goal: Usage | null): Promise<Usage> {
  const deadline = performance.now() + patienceMs;
  let usage = readUsage(agentPid, podPids);
  for (let until = performance.now() + lookMs; performance.now() < until; ) {
    await sleep(200);
    const next = readUsage(agentPid, podPids);
    const ending = goal === null ? next.sockets < usage.sockets : next.sockets > goal.sockets;
    if (ending) until = Math.min(deadline, performance.now() + lookMs);
    usage = {
      ...next,
      descriptors: Math.min(usage.descriptors, next.descriptors),
      residentKiB: Math.min(usage.residentKiB, next.residentKiB),
    };
  }
  return usage;
}
