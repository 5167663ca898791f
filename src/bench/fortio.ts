import { z } from 'zod';
import type { LoadResult, Mode } from './types.ts';

/** A run of a load generator. */
export interface LoadRequest {
  readonly url: string;
  readonly connections: number;
  readonly mode: Mode;
  readonly seconds: number;
}

/** What `fortio load -json -` prints, as far as we read it. Seconds; ActualDuration is nanoseconds. */
const fortioReport = z.object({
  ActualDuration: z.number().positive(),
  DurationHistogram: z.object({
    Count: z.number(),
    Avg: z.number(),
    Data: z.array(z.object({ End: z.number(), Count: z.number() })).nullable(),
    Percentiles: z.array(z.object({ Percentile: z.number(), Value: z.number() })).nullish(),
  }),
  RetCodes: z.record(z.string(), z.number()),
});

/** A bucket of the histogram, seconds: percentiles are read off it, so that it has to be much finer than what is told apart. */
const resolution = 0.00001;

/** The arguments of fortio for a run. A fixed rate is spread evenly over connections and time, and what is late is not made up for. */
export function fortioArguments({ url, connections, mode, seconds }: LoadRequest): readonly string[] {
  const pace = mode.kind === 'fixed rate' ? ['-qps', String(mode.rate), '-uniform', '-nocatchup'] : ['-qps', '0'];
  return [
    'load',
    '-c',
    String(connections),
    '-t',
    `${Math.round(seconds * 1000)}ms`,
    ...pace,
    `-keepalive=${mode.kind !== 'new connections'}`,
    '-r',
    String(resolution),
    '-p',
    '50,75,90,99',
    '-json',
    '-',
    '-allow-initial-errors',
    '-log-errors=false',
    '-loglevel',
    'Error',
    url,
  ];
}

/** Reads fortio's report. Anything but a 200 has failed. @throws Error when it is none */
export function parseFortio(output: string): LoadResult {
  const { ActualDuration, DurationHistogram: histogram, RetCodes: codes } = fortioReport.parse(JSON.parse(output));
  const percentile = (wanted: number): number =>
    ((histogram.Percentiles ?? []).find(({ Percentile }) => Percentile === wanted)?.Value ?? Number.NaN) * 1000;
  const requests = codes['200'] ?? 0;
  return {
    requests,
    failed: Object.values(codes).reduce((sum, count) => sum + count, 0) - requests,
    seconds: ActualDuration / 1e9,
    average: histogram.Avg * 1000,
    p50: percentile(50),
    p75: percentile(75),
    p90: percentile(90),
    p99: percentile(99),
    histogram: (histogram.Data ?? []).map(({ End, Count }) => ({ until: End * 1000, count: Count })),
  };
}
