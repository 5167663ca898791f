import { version } from '../base/project.ts';
import { compilePrograms } from './compile.ts';
import { findLoadGenerator } from './load.ts';
import { loadAverage, machineFacts } from './machine.ts';
import type { Instruments } from './measure.ts';
import { measure, measureStream } from './measure.ts';
import type { BenchOptions } from './options.ts';
import { scenariosOf, scenarioText, sizeText, streams, streamsOf } from './plan.ts';
import { envoySidecar, haproxySidecar } from './sidecar.ts';
import type { Pair, Stage } from './stage.ts';
import { createStage } from './stage.ts';
import { rotated } from './statistics.ts';
import type { BenchReport, Layout, Sample, Scenario, StreamSample, StreamScenario } from './types.ts';
import { pairsOf } from './worlds.ts';

export interface BenchRequest {
  readonly options: BenchOptions;
  /** As the report names it. */
  readonly command: string;
  /** The Envoy binary. */
  readonly envoy: string;
  readonly signal: AbortSignal;
  /** What is being done, in words. */
  readonly onStep: (text: string) => void;
}

/** The C programs that a run needs. */
const sources = ['bench/programs/http-server.c', 'bench/programs/stream.c', 'bench/programs/meter.c'];

/**
 * Sets everything up, measures, and takes everything down again, also when it fails or is interrupted.
 * @throws UserError MACHINE_MISSING_PROGRAM, MACHINE_NO_REGISTRY, LAB_NOT_READY; MillraceError BENCH_FAILED; the abort reason
 */
export async function runBench({ options, command, envoy, signal, onStep }: BenchRequest): Promise<BenchReport> {
  const started = performance.now();
  const date = new Date().toISOString();
  const busyBefore = loadAverage();
  using programs = compilePrograms(sources);
  const load = await findLoadGenerator(options.load, { folder: programs.folder, signal, onStep });
  const clientImage = options.load === 'fortio' ? 'fortio/fortio' : 'millrace.io/host';
  const sidecar = options.proxy === 'haproxy' ? haproxySidecar(programs.folder) : envoySidecar(envoy);
  const plans = pairsOf(options.configurations, options.mtls);
  await using stage = await createStage({ plans, programs, sidecar, clientImage, streams: options.stream, signal, onStep });
  const instruments: Instruments = { programs, load, signal };
  const scenarios = await measureScenarios(stage, options, instruments, onStep);
  const streamed = await measureStreams(stage, options, instruments, onStep);
  return {
    kind: 'millrace bench',
    command,
    started: date,
    seconds: Math.round((performance.now() - started) / 1000),
    machine: {
      ...machineFacts(),
      millrace: version,
      proxy: sidecar.title,
      load: load.title,
      busyBefore,
      busyAfter: loadAverage(),
    },
    rounds: options.rounds,
    duration: options.duration,
    configurations: options.configurations,
    scenarios,
    streams: streamed,
  };
}

async function measureScenarios(
  stage: Stage,
  options: BenchOptions,
  instruments: Instruments,
  onStep: BenchRequest['onStep'],
): Promise<BenchReport['scenarios']> {
  const results: { scenario: Scenario; samples: readonly Sample[] }[] = [];
  const scenarios = scenariosOf(options);
  let arranged: Layout | null = null;
  for (const [index, scenario] of scenarios.entries()) {
    if (scenario.layout !== arranged) stage.arrange(scenario.layout);
    arranged = scenario.layout;
    const pairs = stage.pairs.filter(({ plan: { mtls } }) => mtls === null || mtls === scenario.mtls);
    const title = `${index + 1} of ${scenarios.length}: ${scenarioText(scenario)}`;
    if (options.warmup > 0) {
      onStep(`${title}, warming up`);
      for (const pair of pairs) await measure(pair, scenario, { round: -1, seconds: options.warmup }, instruments);
    }
    const samples = await inRounds(pairs, options.rounds, (pair, round) => {
      onStep(`${title}, round ${round + 1} of ${options.rounds}, ${pair.plan.configuration.name}`);
      return measure(pair, scenario, { round, seconds: options.duration }, instruments);
    });
    results.push({ scenario, samples });
  }
  return results;
}

async function measureStreams(
  stage: Stage,
  options: BenchOptions,
  instruments: Instruments,
  onStep: BenchRequest['onStep'],
): Promise<BenchReport['streams']> {
  const results: { scenario: StreamScenario; samples: readonly StreamSample[] }[] = [];
  const scenarios = streamsOf(options);
  if (scenarios.length > 0) stage.arrange('spread');
  for (const scenario of scenarios) {
    const pairs = stage.pairs.filter(({ plan: { configuration, mtls } }) => mtls !== 'on' && streams(configuration.kind, scenario.way));
    const samples = await inRounds(pairs, options.rounds, (pair, round) => {
      onStep(`stream, ${scenario.way}, writes of ${sizeText(scenario.piece)}, round ${round + 1} of ${options.rounds}`);
      return measureStream(pair, scenario, round, instruments);
    });
    results.push({ scenario, samples });
  }
  return results;
}

/** Every pair once in every round, one after the other, each round begun with another one. */
async function inRounds<S>(pairs: readonly Pair[], rounds: number, run: (pair: Pair, round: number) => Promise<S>): Promise<readonly S[]> {
  const samples: S[] = [];
  for (let round = 0; round < rounds; round += 1) {
    for (const pair of rotated(pairs, round)) samples.push(await run(pair, round));
  }
  return samples;
}
