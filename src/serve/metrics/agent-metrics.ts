import type { Registry } from 'prom-client';
import { Gauge, Histogram } from 'prom-client';

/** What the agent has in the kernel and how it fares, at one moment. Counts are since its programs were loaded. */
export interface AgentSnapshot {
  readonly programs: readonly {
    readonly name: string;
    readonly instructions: number;
    readonly runs: number;
    readonly nanoseconds: number;
  }[];
  /** `entries` is null for maps that cannot be counted. */
  readonly maps: readonly { readonly name: string; readonly entries: number | null; readonly maxEntries: number }[];
  /** enum mr_counter by name. */
  readonly counters: Readonly<Record<string, number>>;
  readonly events: { readonly emitted: number; readonly delivered: number; readonly lost: number; readonly suppressed: number };
  readonly pods: number;
  readonly driftRepaired: number;
  /** Numbers of acceleration by name: connections paired, bytes, fallbacks. */
  readonly acceleration: Readonly<Record<string, number>>;
  readonly rssBytes: number;
}

/** Seconds, around the promise of 0.1 s. */
const applyBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

/** The metrics of Millrace itself. Nothing is kept between scrapes but the times of policy changes. */
export class AgentMetrics {
  readonly #fill: () => Promise<void>;
  readonly #policyApply: Histogram;

  /** `snapshot` is called at every scrape, once. */
  constructor(registry: Registry, snapshot: () => Promise<AgentSnapshot> | AgentSnapshot) {
    const registers = [registry];
    const gauge = <Label extends string>(name: string, help: string, labelNames: readonly Label[] = []) =>
      new Gauge<Label>({ registers, name, help, labelNames: [...labelNames] });
    const pods = gauge('millrace_pods', 'Enrolled pods');
    const instructions = gauge('millrace_program_instructions', 'Instructions of a loaded program, as the verifier counts them', [
      'program',
    ]);
    const runs = gauge('millrace_program_runs', 'Runs of a program; only while the agent runs with --stats', ['program']);
    const seconds = gauge('millrace_program_run_seconds', 'Time in a program, in seconds; only while the agent runs with --stats', [
      'program',
    ]);
    const entries = gauge('millrace_map_entries', 'Rows in a map', ['map']);
    const maximum = gauge('millrace_map_max_entries', 'Rows that fit into a map', ['map']);
    const pressure = gauge('millrace_map_pressure', 'How full a map is: 0 to 1', ['map']);
    const counter = gauge('millrace_counter', 'Counters of the programs since they were loaded', ['counter']);
    const events = gauge(
      'millrace_events',
      'Kernel events: emitted, delivered, lost (the ring was full), suppressed (their pod said too much)',
      ['fate'],
    );
    const drift = gauge('millrace_drift_repaired', 'Times that something in the kernel was not as it should be and was put right');
    const acceleration = gauge('millrace_acceleration', 'What acceleration has done since the programs were loaded', ['what']);
    const rss = gauge('millrace_resident_bytes', 'Memory of the agent');
    this.#policyApply = new Histogram({
      registers,
      name: 'millrace_policy_apply_seconds',
      help: 'Time from a change of policy to its last row in the kernel',
      buckets: applyBuckets,
    });
    // One of them fills all, so that a scrape asks the kernel once.
    this.#fill = async () => {
      const now = await snapshot();
      for (const each of [instructions, runs, seconds, entries, maximum, pressure, counter, acceleration]) each.reset();
      pods.set(now.pods);
      drift.set(now.driftRepaired);
      rss.set(now.rssBytes);
      for (const program of now.programs) {
        instructions.set({ program: program.name }, program.instructions);
        runs.set({ program: program.name }, program.runs);
        seconds.set({ program: program.name }, program.nanoseconds / 1e9);
      }
      for (const map of now.maps) {
        maximum.set({ map: map.name }, map.maxEntries);
        if (map.entries === null) continue;
        entries.set({ map: map.name }, map.entries);
        pressure.set({ map: map.name }, map.maxEntries === 0 ? 0 : map.entries / map.maxEntries);
      }
      for (const [name, value] of Object.entries(now.counters)) counter.set({ counter: name }, value);
      for (const [fate, value] of Object.entries(now.events)) events.set({ fate }, value);
      for (const [what, value] of Object.entries(now.acceleration)) acceleration.set({ what }, value);
    };
  }

  /** Reads the snapshot; do it before each scrape. */
  collect(): Promise<void> {
    return this.#fill();
  }

  /** Notes how long a change of policy took, in seconds. */
  policyApplied(seconds: number): void {
    this.#policyApply.observe(seconds);
  }
}
