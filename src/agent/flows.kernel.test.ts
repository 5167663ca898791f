import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AgentInstance, AgentProcess } from '../../test/support/agent-process.ts';
import { createAgentInstance } from '../../test/support/agent-process.ts';
import type { PodNetwork } from '../../test/support/network.ts';
import { createPodNetwork } from '../../test/support/network.ts';
import { application, dial, listen, proxy, root } from '../../test/support/tcp.ts';
import { instancePaths } from '../api/paths.ts';
import { Cleanup } from '../base/cleanup.ts';
import { findCgroup2, moveToCgroup } from '../kernel/index.ts';
import { hubbleClient } from '../serve/hubble/client.ts';
import type { GetFlowsResponse } from '../serve/hubble/gen/observer/observer_pb.js';

// The agent is a process of its own, as operators run it; the pod's sockets are this process's.
const cleanup = new Cleanup();
let instance: AgentInstance;
let network: PodNetwork;
let agent: AgentProcess;

beforeAll(async () => {
  instance = cleanup.use(createAgentInstance());
  const home = join(findCgroup2(), /^0::(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? '');
  cleanup.defer(() => writeFileSync(join(home, 'cgroup.procs'), String(process.pid)));
  network = cleanup.use(await createPodNetwork());
  cleanup.use(await listen(network.outside, root, 'real', '0.0.0.0:80'));
  agent = instance.start(['--connections', 'on', '--hubble-listen', '127.0.0.1:0', '--metrics-listen', '127.0.0.1:0']);
  await agent.ready();
  moveToCgroup(instance.cgroup, process.pid);
  const log = join(network.pod.path, '..', 'none');
  await agent.client.enrol({
    name: 'test/pod',
    netns: network.pod.path,
    labels: { app: 'sleep' },
    annotations: {},
    uidMap: null,
    meshed: true,
    backend: 'sk_lookup',
    accessLog: log,
  });
});

afterAll(() => cleanup[Symbol.asyncDispose]());

async function flows(): Promise<readonly GetFlowsResponse[]> {
  const answers: GetFlowsResponse[] = [];
  const client = hubbleClient(`unix://${instancePaths(instance.name).hubbleSocket}`, null);
  for await (const answer of client.getFlows({ number: 100n })) answers.push(answer);
  return answers;
}

const summaries = async (): Promise<readonly string[]> =>
  (await flows()).map(({ responseTypes }) => {
    if (responseTypes.case !== 'flow') return responseTypes.case ?? '';
    const { IP, l4, Summary, verdict, proxyPort } = responseTypes.value;
    const port = l4?.protocol.case === 'TCP' ? l4.protocol.value.destinationPort : 0;
    return `${verdict} ${IP?.source} ${IP?.destination}:${port} ${proxyPort} ${Summary}`;
  });

describe('flows of an agent', () => {
  it('tell of a connection that was left alone, and what both sides sent', async () => {
    expect((await dial(network.pod, proxy, '10.9.0.1:80')).answer).toBe('real');
    await expect
      .poll(summaries)
      .toEqual([
        '1 10.9.0.2 10.9.0.1:80 0 Connection opened of the proxy',
        expect.stringMatching(/^1 10\.9\.0\.2 10\.9\.0\.1:80 0 Connection closed of the proxy: 0 bytes sent, \d+ bytes received$/),
      ]);
  });

  it('tell of one that was handed to the proxy what the application dialled', async () => {
    await using _proxy = await listen(network.pod, proxy, 'proxy', '0.0.0.0:15001');
    expect((await dial(network.pod, application, '203.0.113.7:8080')).answer).toBe('proxy');
    await expect
      .poll(async () => (await summaries()).filter((text) => text.includes('203.0.113.7')))
      .toEqual([
        '5 10.9.0.2 203.0.113.7:8080 15001 Connection opened through the proxy',
        expect.stringMatching(/^5 .* Connection closed through the proxy: 0 bytes sent, \d+ bytes received$/),
      ]);
  });
});
