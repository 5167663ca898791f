import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
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
let accessLog: string;

beforeAll(async () => {
  instance = cleanup.use(createAgentInstance());
  const home = join(findCgroup2(), /^0::(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? '');
  cleanup.defer(() => writeFileSync(join(home, 'cgroup.procs'), String(process.pid)));
  network = cleanup.use(await createPodNetwork());
  cleanup.use(await listen(network.outside, root, 'real', '0.0.0.0:80'));
  agent = instance.start(['--connections', 'on', '--hubble-listen', '127.0.0.1:0', '--metrics-listen', '127.0.0.1:0']);
  await agent.ready();
  moveToCgroup(instance.cgroup, process.pid);
  accessLog = join(instancePaths(instance.name).run, 'proxy.log');
  await agent.client.enrol({
    name: 'test/pod',
    netns: network.pod.path,
    labels: { app: 'sleep' },
    annotations: {},
    uidMap: null,
    meshed: true,
    backend: 'sk_lookup',
    accessLog,
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

  it('are served by TCP, too, with names of DNS and HTTP messages, and counted for Prometheus', async () => {
    const place = (address: string, port: number) => ({ address, port });
    const exchange = {
      timeMs: Date.now(),
      latencyMs: 1,
      transport: 'UDP',
      client: place('10.9.0.2', 4000),
      server: place('10.9.0.1', 53),
      query: 'db.example.',
      type: 'A',
      code: 0,
      addresses: ['203.0.113.9'],
      names: [],
      types: ['A'],
      ttl: 30,
    } as const;
    await agent.client.reportDns({ exchanges: [exchange], skipped: 2 });
    const line = (client: string, path: string) =>
      `[2026-01-02T03:04:05.600Z] "GET ${path} HTTP/1.1" 200 - via_upstream - "-" 0 32 5 4 "-" "curl" "1" "db" "10.9.0.1:80" outbound|80||db 10.9.0.2:5 10.9.0.1:80 ${client}:4001 - default "-"\n`;
    appendFileSync(accessLog, line('10.9.0.2', '/own') + line('192.0.2.9', '/forged'));
    await agent.client.applyPolicies([]);
    const { address, metrics } = (await agent.client.status()).flows;
    const client = hubbleClient(address ?? '', null);
    const told = async (): Promise<readonly string[]> => {
      const found: string[] = [];
      for await (const { responseTypes } of client.getFlows({ number: 100n, whitelist: [{ eventType: [{ type: 129 }] }] })) {
        if (responseTypes.case === 'flow') found.push(`${responseTypes.value.source?.podName} ${responseTypes.value.Summary}`);
        if (responseTypes.case === 'lostEvents') found.push(`${responseTypes.value.numEventsLost} lost`);
      }
      return found;
    };
    await expect.poll(told).toEqual(expect.arrayContaining(['pod DNS Query db.example. A', '4 lost', 'pod HTTP/1.1 GET http://db/own']));
    expect((await told()).filter((text) => text.includes('forged'))).toEqual([]);
    const scraped = await (await fetch(`http://${metrics}/metrics`)).text();
    expect(scraped).toMatch(/^millrace_policy_apply_seconds_count 1$/m);
    expect(scraped).toContain('hubble_dns_queries_total{rcode="",qtypes="A",ips_returned="0"} 1');
    expect(scraped).toContain('hubble_http_requests_total{method="GET",protocol="HTTP/1.1",status="200",reporter="client"} 1');
  });
});
