import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { PolicyUpdate } from '../../src/api/policy-types.ts';
import { Cleanup } from '../../src/base/cleanup.ts';
import { closeFd } from '../../src/kernel/index.ts';
import { receiveBytes, sendBytes } from '../../src/kernel/socket-io.ts';
import { isPolicy } from '../../src/manifests/kinds.ts';
import { parseManifests } from '../../src/manifests/parse.ts';
import type { AgentInstance, AgentProcess } from '../support/agent-process.ts';
import { createAgentInstance } from '../support/agent-process.ts';
import type { PodNetwork } from '../support/network.ts';
import { createPodNetwork } from '../support/network.ts';
import { Random } from '../support/random.ts';
import { endpoint, root, socketAs } from '../support/tcp.ts';

/** A running agent that is killed while it changes a long list of policies, again and again, and packets all the time. */
const cleanup = new Cleanup();
let instance: AgentInstance;
let network: PodNetwork;

/** So many ranges take the agent long enough to be killed among them. */
const others = Array.from(
  { length: 60 },
  (_, index) => `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: other-${index} }
spec:
  endpointSelector: { matchLabels: { app: pod } }
  egress: [{ toCIDR: [${Array.from({ length: 20 }, (_, range) => `172.${16 + (index % 16)}.${range}.0/24`).join(', ')}], toPorts: [{ ports: [{ port: "${6000 + index}", protocol: TCP }] }] }]
`,
);
const own = (spec: string) => `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: egress }
spec: { endpointSelector: { matchLabels: { app: pod } }, ${spec} }
`;
const ports = (port: number) => `toPorts: [{ ports: [{ port: "${port}", protocol: UDP }] }]`;
const wide = [own(`egress: [{ toCIDR: [10.9.0.0/24], ${ports(5000)} }]`), ...others.slice(0, 30)].join('---\n');
const narrow = [
  own(
    `egress: [{ toCIDR: [10.9.0.30/32], ${ports(5000)} }, { toCIDR: [10.9.0.0/24], ${ports(5001)} }], egressDeny: [{ toCIDR: [10.9.0.40/32] }]`,
  ),
  ...others.slice(20),
].join('---\n');

const update = (text: string): PolicyUpdate => ({
  policies: parseManifests(text, 'policies.yaml', { defaultNamespace: 'test' }).manifests.filter(isPolicy),
  namespaces: [{ name: 'test', labels: {} }],
  services: [],
  nodes: [{ name: 'node', labels: {}, addresses: ['10.9.9.9'], local: true }],
});

/** Datagrams that both lists let through, and such that both deny, each from a port of its own, as fast as this process gets to it. */
class Prober {
  readonly passing = { sent: 0, received: 0 };
  denied = 0;
  readonly #listening = new Map<string, number>();
  readonly #done: Promise<void>;
  #running = true;

  constructor() {
    for (const at of ['10.9.0.30:5000', '10.9.0.30:5002', '10.9.0.40:5001'])
      this.#listening.set(at, socketAs(network.outside, root, { family: 4, type: 'udp', bind: endpoint(at) }));
    this.#done = this.#run();
  }

  async #run(): Promise<void> {
    while (this.#running) {
      for (const at of this.#listening.keys()) {
        const fd = socketAs(network.pod, root, { family: 4, type: 'udp' });
        sendBytes(fd, Buffer.from('hello'), { to: endpoint(at) });
        closeFd(fd);
        if (at === '10.9.0.30:5000') this.passing.sent += 1;
      }
      this.#receive();
      await sleep(1);
    }
  }

  #receive(): void {
    for (const [at, fd] of this.#listening) {
      while (receiveBytes(fd) !== null) {
        if (at === '10.9.0.30:5000') this.passing.received += 1;
        else this.denied += 1;
      }
    }
  }

  async stop(): Promise<void> {
    this.#running = false;
    await this.#done;
    await sleep(50);
    this.#receive();
    for (const fd of this.#listening.values()) closeFd(fd);
  }
}

beforeAll(async () => {
  instance = cleanup.use(createAgentInstance());
  network = cleanup.use(await createPodNetwork());
  network.outside.ip('addr add 10.9.0.30/24 dev eth0\naddr add 10.9.0.40/24 dev eth0\n');
});

afterAll(() => cleanup[Symbol.asyncDispose]());

async function start(): Promise<AgentProcess> {
  const agent = instance.start(['--node-netns', network.outside.path, '--accelerate', 'off', '--aggregation', 'medium']);
  await agent.ready();
  return agent;
}

it('an agent that is killed among its writes, and the next one, drop nothing that both lists allow and let nothing pass that both deny', async () => {
  const random = new Random(20_251);
  let agent = await start();
  await agent.client.enrol({
    name: 'test/pod',
    netns: network.pod.path,
    labels: { app: 'pod' },
    annotations: {},
    uidMap: null,
    meshed: false,
    backend: 'sk_lookup',
  });
  const lists = [update(wide), update(narrow)];
  const [first, second] = lists;
  if (first === undefined || second === undefined) throw new Error('no lists');
  await agent.client.setPolicies(first);
  const prober = new Prober();
  try {
    for (const list of [second, first, second]) await agent.client.setPolicies(list);
    for (let round = 0; round < 3; round += 1) {
      const calls = [first, second, first].map((list) => agent.client.setPolicies(list).catch(() => null));
      await sleep(random.below(150));
      await agent.stop('SIGKILL');
      await Promise.all(calls);
      await sleep(20);
      agent = await start();
      await agent.client.setPolicies(round % 2 === 0 ? second : first);
      const { policies } = await agent.client.status();
      expect(policies).toMatchObject({ problem: null, count: (round % 2 === 0 ? second : first).policies.length });
    }
  } finally {
    await prober.stop();
    await agent.stop('SIGTERM');
  }
  expect(prober.passing.sent).toBeGreaterThan(500);
  expect({ denied: prober.denied, lost: prober.passing.sent - prober.passing.received }).toEqual({ denied: 0, lost: 0 });
}, 60_000);
