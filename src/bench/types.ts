/** What `--configs` may name. `policy` stands for one configuration per number of rules. */
export const configurationKinds = [
  'none',
  'iptables',
  'ebpf',
  'proxies+accelerate',
  'ebpf+accelerate',
  'direct+accelerate',
  'policy',
] as const;
export type ConfigurationKind = (typeof configurationKinds)[number];

/** One way from the client to the server. */
export interface Configuration {
  /** As it is printed: the kind, and for policies their number of rules. */
  readonly name: string;
  readonly kind: ConfigurationKind;
  /** Rules of the policy that selects the server; null where there is none. */
  readonly rules: number | null;
}

/** Everything on one CPU, or wherever the kernel puts it. Figures of the two must not be compared. */
export type Layout = 'one CPU' | 'spread';
export type MutualTls = 'off' | 'on';

/** How requests follow each other. */
export type Mode =
  | { readonly kind: 'keep-alive' }
  /** Every request on a connection of its own. */
  | { readonly kind: 'new connections' }
  /** Evenly spaced, this many a second over all connections. */
  | { readonly kind: 'fixed rate'; readonly rate: number };

/** What is measured for all configurations alike. */
export interface Scenario {
  readonly layout: Layout;
  /** Between the two proxies. */
  readonly mtls: MutualTls;
  readonly mode: Mode;
  readonly connections: number;
  /** Bytes of every answer. */
  readonly body: number;
}

/** Requests whose latency lies at or below `until` milliseconds and above that of the bucket before. */
export interface Bucket {
  readonly until: number;
  readonly count: number;
}

/** What the load generator saw. Latencies are milliseconds. */
export interface LoadResult {
  readonly requests: number;
  readonly failed: number;
  readonly seconds: number;
  readonly average: number;
  readonly p50: number;
  readonly p75: number;
  readonly p90: number;
  readonly p99: number;
  readonly histogram: readonly Bucket[];
}

/** Every figure of a run, by name; metrics.ts says what each is. */
export const metricNames = [
  'rps',
  'average',
  'p50',
  'p75',
  'p90',
  'p99',
  'proxyCores',
  'proxyPerRequest',
  'proxyUserPerRequest',
  'systemPer1000',
  'cpuPerRequest',
  'switchesPerRequest',
] as const;
export type MetricName = (typeof metricNames)[number];
export type Metrics = Readonly<Record<MetricName, number>>;

/** One run of the load generator against one configuration. */
export interface Sample {
  readonly configuration: string;
  /** From 0. */
  readonly round: number;
  readonly requests: number;
  readonly failed: number;
  readonly metrics: Metrics;
  readonly histogram: readonly Bucket[];
}

/** A stream in one direction over one connection. */
export interface StreamScenario {
  readonly layout: Layout;
  /** From application to application, or through the sender's proxy. */
  readonly way: 'direct' | 'one proxy';
  /** Bytes of every write. */
  readonly piece: number;
}

export interface StreamSample {
  readonly configuration: string;
  readonly round: number;
  /** Gigabits a second that arrived. */
  readonly gigabits: number;
}

/** What a number depends on besides our code. */
export interface BenchMachine {
  readonly kernel: string;
  readonly processor: string;
  readonly processors: number;
  /** Of all memory, GiB. */
  readonly memory: number;
  readonly node: string;
  readonly millrace: string;
  /** Name and version of what runs in the sidecars. */
  readonly proxy: string;
  /** Name and version of the load generator. */
  readonly load: string;
  /** The load average of the minute before the first run and before the end. Ours is a part of the second. */
  readonly busyBefore: number;
  readonly busyAfter: number;
}

/** Everything that was measured, before anything is made of it. */
export interface BenchReport {
  readonly kind: 'millrace bench';
  /** The command line. */
  readonly command: string;
  /** ISO 8601. */
  readonly started: string;
  /** Of the whole run. */
  readonly seconds: number;
  readonly machine: BenchMachine;
  readonly rounds: number;
  /** Seconds of a run. */
  readonly duration: number;
  readonly configurations: readonly Configuration[];
  readonly scenarios: readonly { readonly scenario: Scenario; readonly samples: readonly Sample[] }[];
  readonly streams: readonly { readonly scenario: StreamScenario; readonly samples: readonly StreamSample[] }[];
}
