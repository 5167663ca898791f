import { describe, expect, it } from 'vitest';
import { parseDnsReport } from './dns-request.ts';

const exchange = {
  timeMs: 1_767_323_045_600.25,
  latencyMs: 0.5,
  transport: 'UDP',
  client: { address: '::ffff:10.244.0.2', port: 40_000 },
  server: { address: '10.96.0.10', port: 53 },
  query: 'httpbin.demo.svc.cluster.local.',
  type: 'A',
  code: 0,
  addresses: ['10.96.1.2'],
  names: [],
  types: ['A'],
  ttl: 5,
};

describe('parseDnsReport()', () => {
  it('reads what a name server tells, times to the microsecond and addresses as they are written elsewhere', () => {
    expect(parseDnsReport({ exchanges: [exchange], skipped: 3 })).toEqual({
      exchanges: [
        {
          timeNs: 1_767_323_045_600_250_000n,
          latencyNs: 500_000n,
          transport: 'UDP',
          client: { address: '10.244.0.2', port: 40_000 },
          server: { address: '10.96.0.10', port: 53 },
          query: 'httpbin.demo.svc.cluster.local.',
          types: ['A'],
          answer: { code: 0, addresses: ['10.96.1.2'], names: [], types: ['A'], ttl: 5 },
        },
      ],
      skipped: 3,
    });
  });

  it.each([
    [{ exchanges: [{ ...exchange, client: { address: 'pod', port: 1 } }], skipped: 0 }, 'exchanges.0.client.address'],
    [{ exchanges: [{ ...exchange, timeMs: Number.NaN }], skipped: 0 }, 'exchanges.0.timeMs'],
    [{ exchanges: new Array(2001).fill(exchange), skipped: 0 }, 'exchanges'],
    [{ exchanges: [], skipped: -1 }, 'skipped'],
    [null, 'body'],
  ])('refuses what it cannot take, and names the field (%#)', (body, field) => {
    expect(() => parseDnsReport(body)).toThrow(`Cannot take over DNS answers because the report is wrong: ${field}:`);
  });
});
