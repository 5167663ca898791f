import { encode } from 'dns-packet';
import { expect, it } from 'vitest';
import type { DnsReport } from '../../api/types.ts';
import { silentLogger } from '../../base/log.ts';
import type { SeenAnswer } from '../../mesh/dns/server.ts';
import { DnsReports } from './dns-reports.ts';

const seen: SeenAnswer = {
  message: encode({ type: 'query', id: 1, questions: [{ name: 'httpbin', type: 'A' }] }),
  response: encode({ type: 'response', id: 1, answers: [{ name: 'httpbin', type: 'A', ttl: 5, data: '10.96.1.2' }] }),
  transport: 'udp',
  client: { address: '10.244.0.2', port: 4000 },
  wallMs: 1000,
  latencyMs: 1,
};

it('DnsReports tells all that fits and counts the rest exactly, also when the agent was away once', async () => {
  const sent: DnsReport[] = [];
  let away = true;
  const send = async (report: DnsReport): Promise<void> => {
    if (away) throw new Error('nobody answers');
    sent.push(report);
  };
  using reports = new DnsReports({ address: '10.96.0.10', port: 53 }, send, silentLogger);
  reports.add(seen);
  await new Promise((resolve) => setTimeout(resolve, 120));
  away = false;
  for (let count = 0; count < 700; count += 1) reports.add(seen);
  await expect.poll(() => sent.length).toBe(1);
  expect(sent[0]?.skipped).toBe(200);
  expect(sent[0]?.exchanges).toHaveLength(500);
  expect(sent[0]?.exchanges[0]).toEqual({
    timeMs: 1000,
    latencyMs: 1,
    transport: 'UDP',
    client: { address: '10.244.0.2', port: 4000 },
    server: { address: '10.96.0.10', port: 53 },
    query: 'httpbin.',
    type: 'A',
    code: 0,
    addresses: ['10.96.1.2'],
    names: [],
    types: ['A'],
    ttl: 5,
  });
});
