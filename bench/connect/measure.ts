import type { CompiledPrograms } from '../../src/bench/compile.ts';
import { quantile, rotated } from '../../src/bench/statistics.ts';
import { outputOf, startPlaced, stop, untilReady } from '../support/placed-process.ts';
import type { Configuration, ConfigurationName, Family } from './configurations.ts';
import { families, proxyPort } from './configurations.ts';

/** Which CPU the client and the server run on. */
export interface Layout {
  readonly name: 'one CPU' | 'two CPUs';
  readonly client: number;
  readonly server: number;
}

/** The layouts of a machine. Their numbers must not be compared: across CPUs a wake-up costs more than all the rest. */
export function layoutsOf(processors: number): readonly Layout[] {
  const last = processors - 1;
  const one: Layout = { name: 'one CPU', client: last, server: last };
  return processors < 2 ? [one] : [one, { name: 'two CPUs', client: last, server: last - 1 }];
}

/** One run of the client. Times are microseconds for a connection from socket() to close(). */
export interface Sample {
  readonly layout: Layout['name'];
  readonly family: Family;
  readonly configuration: ConfigurationName;
  readonly round: number;
  readonly connections: number;
  readonly failed: number;
  readonly median: number;
  readonly mean: number;
  readonly p99: number;
}

export interface MeasureOptions {
  readonly connections: number;
  readonly rounds: number;
  readonly layouts: readonly Layout[];
  readonly onSample: (sample: Sample) => void;
}

const proxyUid = 1337;
const applicationUid = 1000;
/** Share of the connections that goes before them, unmeasured. */
const warmup = 0.1;
const failedMark = 0xffffffff;

/** Measures every configuration once in every round, in turn, each round beginning with another one. */
export async function measure(
  configurations: readonly Configuration[],
  programs: CompiledPrograms,
  options: MeasureOptions,
): Promise<readonly Sample[]> {
  const samples: Sample[] = [];
  for (const layout of options.layouts) {
    for (let round = 0; round < options.rounds; round += 1) {
      for (const family of families) {
        for (const configuration of rotated(configurations, round)) {
          const taken = await runOnce(configuration, programs, layout, family, options.connections);
          const sample = { layout: layout.name, family, configuration: configuration.name, round, ...summarise(taken) };
          samples.push(sample);
          options.onSample(sample);
        }
      }
    }
  }
  return samples;
}

/** The nanoseconds of each connection; `failedMark` for one that failed. */
export async function runOnce(
  configuration: Configuration,
  programs: CompiledPrograms,
  layout: Layout,
  family: Family,
  connections: number,
): Promise<Uint32Array> {
  const { cgroup, netns } = configuration;
  configuration.forget();
  const role = configuration.redirected ? 'proxy' : 'plain';
  const server = startPlaced({ cgroup, netns: netns.path, uid: proxyUid, cpu: layout.server }, programs.path('server'), [
    String(proxyPort),
    role,
  ]);
  try {
    await untilReady(server, 'the server');
    const { address, port } = configuration.target(family);
    const counts = [String(connections), String(Math.ceil(connections * warmup))];
    const client = startPlaced({ cgroup, netns: netns.path, uid: applicationUid, cpu: layout.client }, programs.path('client'), [
      address,
      String(port),
      ...counts,
    ]);
    const bytes = await outputOf(client, 'the client');
    return new Uint32Array(new Uint8Array(bytes).buffer);
  } finally {
    await stop(server);
  }
}

function summarise(taken: Uint32Array): Pick<Sample, 'connections' | 'failed' | 'median' | 'mean' | 'p99'> {
  const done = taken.filter((nanoseconds) => nanoseconds !== failedMark);
  const sum = done.reduce((total, nanoseconds) => total + nanoseconds, 0);
  return {
    connections: taken.length,
    failed: taken.length - done.length,
    median: quantile(done, 0.5) / 1000,
    mean: sum / done.length / 1000,
    p99: quantile(done, 0.99) / 1000,
  };
}
