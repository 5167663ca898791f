import { z } from 'zod';
import type { LoadRequest } from './fortio.ts';
import type { LoadResult } from './types.ts';

/** A Lua script for wrk that prints what it measured as one line of JSON; microseconds. */
export const wrkScript = `done = function(summary, latency)
  local points = {}
  for i = 1, 999 do points[i] = string.format("%d", latency:percentile(i / 10)) end
  local e = summary.errors
  io.write(string.format('\\nmillrace-wrk {"requests":%d,"microseconds":%d,"failed":%d,"mean":%.3f,"points":[%s]}\\n',
    summary.requests, summary.duration, e.connect + e.read + e.write + e.status + e.timeout, latency.mean, table.concat(points, ",")))
end
`;

const wrkReport = z.object({
  requests: z.number(),
  microseconds: z.number().positive(),
  failed: z.number(),
  mean: z.number(),
  /** The latency at 0.1 %, 0.2 % … 99.9 %. */
  points: z.array(z.number()).length(999),
});

/** The arguments of wrk: one thread, so that it does not compete with itself. @throws Error for a fixed rate, which it cannot do */
export function wrkArguments({ url, connections, mode, seconds }: LoadRequest, script: string): readonly string[] {
  if (mode.kind === 'fixed rate') throw new Error('wrk has no fixed rate');
  const close = mode.kind === 'new connections' ? ['-H', 'Connection: close'] : [];
  // It knows whole seconds only.
  return ['-t1', `-c${connections}`, `-d${Math.max(1, Math.round(seconds))}s`, '-s', script, ...close, url];
}

/** Reads what the script prints. @throws Error when it has printed nothing */
export function parseWrk(output: string): LoadResult {
  const line = /^millrace-wrk (\{.*\})$/m.exec(output)?.[1];
  if (line === undefined) throw new Error(`wrk printed no result: ${output.trim().slice(-500)}`);
  const { requests, microseconds, failed, mean, points } = wrkReport.parse(JSON.parse(line));
  const at = (thousandths: number): number => (points[thousandths - 1] ?? Number.NaN) / 1000;
  return {
    requests: requests - Math.min(failed, requests),
    failed,
    seconds: microseconds / 1e6,
    average: mean / 1000,
    p50: at(500),
    p75: at(750),
    p90: at(900),
    p99: at(990),
    histogram: points.map((point) => ({ until: point / 1000, count: requests / points.length })),
  };
}
