import { cpus } from 'node:os';
import { MillraceError } from '../base/errors.ts';
import type { CompiledPrograms } from './compile.ts';
import type { LoadGenerator } from './load.ts';
import { metricsOf, parseMeter } from './metrics.ts';
import { placedCommand, runToEnd } from './place.ts';
import { streamSeconds } from './plan.ts';
import type { Pair } from './stage.ts';
import { cpusOf } from './stage.ts';
import type { LoadResult, Sample, Scenario, StreamSample, StreamScenario } from './types.ts';
import type { RolesUsage } from './usage.ts';
import { readUsage, usedBetween } from './usage.ts';

/** What every run needs. */
export interface Instruments {
  readonly programs: CompiledPrograms;
  readonly load: LoadGenerator;
  readonly signal: AbortSignal;
}

/** A run that is not over this long after it should be has failed. */
const patienceMs = 20_000;

/**
 * Runs the load generator once against one pair.
 * @throws MillraceError BENCH_FAILED when it fails, or when no request was answered; the abort reason
 */
export async function measure(
  pair: Pair,
  scenario: Scenario,
  run: { readonly round: number; readonly seconds: number },
  instruments: Instruments,
): Promise<Sample> {
  const { programs, load, signal } = instruments;
  const { layout, body, connections, mode } = scenario;
  const request = { url: `${pair.url}/${body}`, connections, mode, seconds: run.seconds };
  const argv = [programs.path('meter'), ...load.command(request)];
  const name = pair.plan.configuration.name;
  const before = readUsage(pair.roles);
  const output = await runToEnd(`the load on ${name}`, placedCommand(pair.client, cpusOf(layout, cpus().length), argv), {
    timeoutMs: run.seconds * 1000 + patienceMs,
    signal,
  });
  const used = usedBetween(before, readUsage(pair.roles));
  return sampleOf(name, run.round, load.parse(output.stdout), used, parseMeter(output.stderr) ?? 0);
}

function sampleOf(name: string, round: number, result: LoadResult, used: RolesUsage, clientSwitches: number): Sample {
  if (result.requests === 0)
    throw new MillraceError('BENCH_FAILED', `Cannot measure ${name} because none of its requests was answered: ${result.failed} failed`);
  return {
    configuration: name,
    round,
    requests: result.requests,
    failed: result.failed,
    metrics: metricsOf(result, { ...used, switches: used.switches + clientSwitches }),
    histogram: result.histogram,
  };
}

/** Sends one stream. @throws MillraceError BENCH_FAILED; the abort reason */
export async function measureStream(pair: Pair, scenario: StreamScenario, round: number, instruments: Instruments): Promise<StreamSample> {
  const { programs, signal } = instruments;
  const { address, port } = pair.stream;
  const argv = [programs.path('stream'), 'send', address, String(port), String(scenario.piece), String(streamSeconds * 1000)];
  const name = pair.plan.configuration.name;
  const { stdout } = await runToEnd(`the stream of ${name}`, placedCommand(pair.client, cpusOf(scenario.layout, cpus().length), argv), {
    timeoutMs: patienceMs,
    signal,
  });
  const [bytes = Number.NaN, seconds = Number.NaN] = stdout.trim().split(' ').map(Number);
  return { configuration: name, round, gigabits: (bytes * 8) / seconds / 1e9 };
}
