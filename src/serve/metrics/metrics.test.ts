import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { playWorld, startFlowServer } from '../../../test/support/flow-server.ts';
import { flowWorld } from '../../../test/support/flow-world.ts';
import { silentLogger } from '../../base/log.ts';
import { projectRoot } from '../../base/project.ts';
import { FlowCounters } from '../../flow/counters.ts';
import { emptyDirectory } from '../../flow/directory.ts';
import type { AgentSnapshot } from './agent-metrics.ts';
import { createMetrics } from './metrics.ts';
import { serveMetrics } from './server.ts';

const snapshot: AgentSnapshot = {
  programs: [{ name: 'mr_connect4', instructions: 900, runs: 10, nanoseconds: 5000 }],
  maps: [
    { name: 'mr_policy', entries: 25, maxEntries: 100 },
    { name: 'mr_flows', entries: null, maxEntries: 4096 },
  ],
  counters: { FLOW_LOST: 3 },
  events: { emitted: 10, delivered: 6, lost: 3, suppressed: 1 },
  pods: 4,
  driftRepaired: 1,
  acceleration: { paired: 2 },
  rssBytes: 1000,
};

const read = (path: string) => readFileSync(join(projectRoot(), path), 'utf8');

async function described() {
  return createMetrics({ counters: new FlowCounters(), rules: emptyDirectory, snapshot: () => snapshot, lost: () => 0 }).describe();
}

describe('createMetrics()', () => {
  it('counts flows by the names and labels of Hubble', async () => {
    await using server = await startFlowServer();
    const metrics = createMetrics({
      counters: server.service.counters,
      rules: flowWorld,
      snapshot: () => snapshot,
      lost: () => server.events.lost,
    });
    server.service.onMessage((flow) => metrics.seeMessage(flow));
    playWorld(server);
    server.events.lose(5);
    const { text } = await metrics.scrape();
    expect(text.split('\n')).toEqual(
      expect.arrayContaining([
        'hubble_flows_processed_total{protocol="TCP",type="Drop",subtype="",verdict="DROPPED"} 2',
        'hubble_flows_processed_total{protocol="TCP",type="PolicyVerdict",subtype="",verdict="AUDIT"} 1',
        'hubble_flows_processed_total{protocol="TCP",type="Trace",subtype="to-endpoint",verdict="FORWARDED"} 2',
        'hubble_flows_processed_total{protocol="TCP",type="Unknown",subtype="200",verdict="REDIRECTED"} 1',
        'hubble_flows_processed_total{protocol="HTTP",type="L7",subtype="HTTP",verdict="DROPPED"} 1',
        'hubble_drop_total{reason="POLICY_DENY",protocol="TCP"} 2',
        'hubble_drop_total{reason="POLICY_DENIED",protocol="TCP"} 1',
        'hubble_drop_total{reason="UNKNOWN_L4_PROTOCOL",protocol="Unknown L4"} 1',
        'hubble_flows_to_world_total{protocol="ICMPv4",verdict="FORWARDED"} 1',
        'hubble_policy_verdicts_total{direction="egress",match="l3-l4",action="dropped"} 1',
        'hubble_policy_verdicts_total{direction="ingress",match="l4-only",action="forwarded"} 1',
        'hubble_policy_verdicts_total{direction="egress",match="none",action="audit"} 1',
        'hubble_tcp_flags_total{flag="SYN-ACK",family="IPv4"} 1',
        'hubble_tcp_flags_total{flag="FIN",family="IPv6"} 1',
        'hubble_icmp_total{family="IPv4",type="EchoRequest"} 1',
        'hubble_http_requests_total{method="GET",protocol="HTTP/1.1",status="200",reporter="client"} 1',
        'hubble_http_requests_total{method="POST",protocol="HTTP/2",status="403",reporter="server"} 1',
        'hubble_http_request_duration_seconds_sum{method="GET",reporter="client"} 0.005',
        'hubble_dns_queries_total{rcode="",qtypes="A",ips_returned="0"} 1',
        'hubble_dns_responses_total{rcode="No Error",qtypes="A",ips_returned="1"} 1',
        'hubble_dns_response_types_total{type="A",qtypes="A"} 1',
        'hubble_lost_events_total{source="perf_event_ring_buffer"} 5',
        'millrace_map_pressure{map="mr_policy"} 0.25',
        'millrace_events{fate="lost"} 3',
      ]),
    );
    const again = (await metrics.scrape()).text;
    expect(again).toContain('hubble_drop_total{reason="POLICY_DENY",protocol="TCP"} 2\n');
    expect(again).toContain('hubble_lost_events_total{source="perf_event_ring_buffer"} 5\n');
  });

  it('forgets programs and maps that are gone', async () => {
    let now = snapshot;
    const metrics = createMetrics({ counters: new FlowCounters(), rules: flowWorld, snapshot: () => now, lost: () => 0 });
    metrics.policyApplied(0.02);
    expect((await metrics.scrape()).text).toContain('millrace_map_entries{map="mr_policy"} 25');
    now = { ...snapshot, maps: [], programs: [] };
    const { text } = await metrics.scrape();
    expect(text).not.toContain('mr_policy');
    expect(text).toContain('millrace_policy_apply_seconds_count 1');
  });
});

describe('serveMetrics()', () => {
  it('answers /metrics and nothing else', async () => {
    const metrics = createMetrics({ counters: new FlowCounters(), rules: flowWorld, snapshot: () => snapshot, lost: () => 0 });
    const server = await serveMetrics({ metrics, host: '127.0.0.1', port: 0, log: silentLogger });
    try {
      const answer = await fetch(`http://${server.address}/metrics`);
      expect(answer.headers.get('content-type')).toContain('text/plain');
      expect(await answer.text()).toContain('millrace_pods 4');
      expect((await fetch(`http://${server.address}/`)).status).toBe(404);
      expect((await fetch(`http://${server.address}/metrics`, { method: 'POST' })).status).toBe(404);
      const port = Number(server.address.split(':')[1]);
      await expect(serveMetrics({ metrics, host: '127.0.0.1', port, log: silentLogger })).rejects.toMatchObject({ code: 'FLOW_LISTEN' });
    } finally {
      await server.close();
    }
  });
});

describe('docs/metrics.md', () => {
  it('has every metric with its type, labels and meaning, and no other', async () => {
    const rows = read('docs/metrics.md')
      .split('\n')
      .filter((line) => /^\| `/.test(line));
    const wanted = (await described()).map(
      ({ name, type, labels, help }) => `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(', ') || '-'} | ${help} |`,
    );
    expect(rows).toEqual(wanted);
  });
});

describe('docs/grafana/millrace.json', () => {
  it('asks only for metrics that exist', async () => {
    const names = new Set((await described()).map(({ name }) => name));
    const asked = [...read('docs/grafana/millrace.json').matchAll(/\b(?:hubble|millrace)_[a-z_]+/g)].map(([name]) =>
      name.replace(/_(?:bucket|sum|count)$/, ''),
    );
    expect(asked.length).toBeGreaterThan(10);
    expect([...new Set(asked)].filter((name) => !names.has(name))).toEqual([]);
  });
});
