import type { LoadResult, MetricName, Metrics } from './types.ts';

/** CPU time of a cgroup, microseconds since it was made. */
export interface CpuUsage {
  readonly usage: number;
  /** Of it, inside the kernel: system calls, interrupts, and the softirq work that a sender does for its receiver. */
  readonly system: number;
}

/** What the four roles used during one run. */
export interface RunUsage {
  /** All four together. */
  readonly all: CpuUsage;
  /** The two proxies. */
  readonly proxies: CpuUsage;
  readonly switches: number;
}

/** How a figure is called, and which of two is better. */
export interface MetricText {
  readonly title: string;
  readonly unit: string;
  /** Digits after the point. */
  readonly digits: number;
  readonly better: 'more' | 'less';
}

/** Every figure, in the order of the columns. */
export const metricTexts: Readonly<Record<MetricName, MetricText>> = {
  rps: { title: 'RPS', unit: 'requests a second', digits: 0, better: 'more' },
  average: { title: 'AVG', unit: 'ms', digits: 3, better: 'less' },
  p50: { title: 'P50', unit: 'ms', digits: 3, better: 'less' },
  p75: { title: 'P75', unit: 'ms', digits: 3, better: 'less' },
  p90: { title: 'P90', unit: 'ms', digits: 3, better: 'less' },
  p99: { title: 'P99', unit: 'ms', digits: 3, better: 'less' },
  proxyCores: { title: 'PROXY CORES', unit: 'CPUs that both proxies keep busy', digits: 2, better: 'less' },
  proxyPerRequest: { title: 'PROXY µs/REQ', unit: 'µs of both proxies for a request', digits: 1, better: 'less' },
  proxyUserPerRequest: {
    title: 'OF IT USER',
    unit: "µs of it in the proxies' own code, which no way of redirection can take away",
    digits: 1,
    better: 'less',
  },
  systemPer1000: {
    title: 'SYS ms/1000',
    unit: 'ms inside the kernel, softirq included, for 1,000 requests, all roles',
    digits: 1,
    better: 'less',
  },
  cpuPerRequest: { title: 'CPU µs/REQ', unit: 'µs of all roles for a request', digits: 1, better: 'less' },
  switchesPerRequest: { title: 'SWITCHES/REQ', unit: 'context switches for a request, all roles', digits: 2, better: 'less' },
};

/** The figures of one run. A run in which nothing was answered has none: they are NaN. */
export function metricsOf(load: LoadResult, usage: RunUsage): Metrics {
  const { requests, seconds, average, p50, p75, p90, p99 } = load;
  return {
    rps: requests / seconds,
    average,
    p50,
    p75,
    p90,
    p99,
    proxyCores: usage.proxies.usage / 1e6 / seconds,
    proxyPerRequest: usage.proxies.usage / requests,
    proxyUserPerRequest: (usage.proxies.usage - usage.proxies.system) / requests,
    systemPer1000: usage.all.system / requests,
    cpuPerRequest: usage.all.usage / requests,
    switchesPerRequest: usage.switches / requests,
  };
}

/** Reads `cpu.stat` of a cgroup. @throws Error when it lacks a field */
export function parseCpuStat(text: string): CpuUsage {
  const field = (name: string): number => {
    const value = new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1];
    if (value === undefined) throw new Error(`no ${name} in cpu.stat`);
    return Number(value);
  };
  return { usage: field('usage_usec'), system: field('system_usec') };
}

/** Voluntary and involuntary context switches of one thread, from its `status` in /proc. */
export function parseSwitches(status: string): number {
  const counts = [...status.matchAll(/^(?:non)?voluntary_ctxt_switches:\s+(\d+)$/gm)].map((match) => Number(match[1]));
  return counts.reduce((sum, count) => sum + count, 0);
}

/** The context switches that bench/programs/meter.c reports on standard error; null where it does not. */
export function parseMeter(stderr: string): number | null {
  const match = /^millrace-meter (\d+) (\d+)$/m.exec(stderr);
  return match === null ? null : Number(match[1]) + Number(match[2]);
}
