import { describe, expect, it } from 'vitest';
import { fortioArguments, parseFortio } from './fortio.ts';
import { parseWrk, wrkArguments } from './wrk.ts';

/** As fortio 1.66.3 printed it, shortened. */
const fortioOutput = JSON.stringify({
  RunType: 'HTTP',
  ActualQPS: 1993,
  ActualDuration: 2_000_000_000,
  DurationHistogram: {
    Count: 4000,
    Min: 0.0004,
    Max: 0.05,
    Sum: 16,
    Avg: 0.004,
    Data: [
      { Start: 0.0004, End: 0.001, Percent: 75, Count: 3000 },
      { Start: 0.001, End: 0.05, Percent: 100, Count: 1000 },
    ],
    Percentiles: [
      { Percentile: 50, Value: 0.0008 },
      { Percentile: 75, Value: 0.001 },
      { Percentile: 90, Value: 0.02 },
      { Percentile: 99, Value: 0.04 },
    ],
  },
  RetCodes: { '200': 3990, '503': 8, '-1': 2 },
});

describe('parseFortio()', () => {
  it('reads latencies as milliseconds, and as failed what is not a 200', () => {
    expect(parseFortio(fortioOutput)).toEqual({
      requests: 3990,
      failed: 10,
      seconds: 2,
      average: 4,
      p50: 0.8,
      p75: 1,
      p90: 20,
      p99: 40,
      histogram: [
        { until: 1, count: 3000 },
        { until: 50, count: 1000 },
      ],
    });
  });

  it('has no requests and no latencies when nothing was answered', () => {
    const nothing = { ActualDuration: 1e9, DurationHistogram: { Count: 0, Avg: 0, Data: null }, RetCodes: { '-1': 3 } };
    expect(parseFortio(JSON.stringify(nothing))).toMatchObject({ requests: 0, failed: 3, p99: Number.NaN, histogram: [] });
  });

  it.each(['', '{}', '[]', 'panic: x'])('throws when the output is %j', (output) => {
    expect(() => parseFortio(output)).toThrow();
  });
});

describe('fortioArguments()', () => {
  const request = { url: 'http://10.0.0.1/0', connections: 16, seconds: 0.3 };

  it('spaces requests evenly and makes up for nothing when the rate is fixed', () => {
    const args = fortioArguments({ ...request, mode: { kind: 'fixed rate', rate: 500 } }).join(' ');
    expect(args).toContain('-qps 500 -uniform -nocatchup -keepalive=true');
    expect(args).toContain('-c 16 -t 300ms');
    expect(args.endsWith(' http://10.0.0.1/0')).toBe(true);
  });

  it('goes as fast as it can otherwise, with new connections when they are asked for', () => {
    expect(fortioArguments({ ...request, mode: { kind: 'keep-alive' } }).join(' ')).toContain('-qps 0 -keepalive=true');
    expect(fortioArguments({ ...request, mode: { kind: 'new connections' } }).join(' ')).toContain('-qps 0 -keepalive=false');
  });
});

describe('parseWrk()', () => {
  const points = Array.from({ length: 999 }, (_, index) => (index + 1) * 10);
  const line = JSON.stringify({ requests: 1998, microseconds: 1_000_000, failed: 3, mean: 5000, points });

  it('reads the line of our script out of everything else', () => {
    const result = parseWrk(`Running 1s test\nRequests/sec: 1\nmillrace-wrk ${line}\n`);
    expect(result).toMatchObject({ requests: 1995, failed: 3, seconds: 1, average: 5, p50: 5, p75: 7.5, p90: 9, p99: 9.9 });
    expect(result.histogram).toHaveLength(999);
    expect(result.histogram[0]).toEqual({ until: 0.01, count: 2 });
  });

  it('throws when the script did not run', () => {
    expect(() => parseWrk('unable to connect')).toThrow(/no result/);
  });
});

describe('wrkArguments()', () => {
  it('has one thread and whole seconds, and refuses a fixed rate', () => {
    const request = { url: 'http://10.0.0.1/0', connections: 16, seconds: 2 };
    expect(wrkArguments({ ...request, mode: { kind: 'new connections' } }, 's.lua').join(' ')).toBe(
      '-t1 -c16 -d2s -s s.lua -H Connection: close http://10.0.0.1/0',
    );
    expect(() => wrkArguments({ ...request, mode: { kind: 'fixed rate', rate: 1 } }, 's.lua')).toThrow();
  });
});
