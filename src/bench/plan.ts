import type { BenchOptions } from './options.ts';
import type { Layout, Scenario, StreamScenario } from './types.ts';

/** Sizes of a stream's writes. */
const pieces = [64, 512, 4096, 65_536, 1 << 20] as const;
/** A stream is as steady after this many seconds as it gets. */
export const streamSeconds = 0.4;
/** What starting and reading a run takes beside the run. */
const overheadSeconds = 0.15;

/**
 * What is measured: every number of connections with keep-alive, and around the middle one each thing that was asked for besides (another
 * body, mutual TLS, new connections, a fixed rate). Not everything with everything: that would take hours and say little more.
 */
export function scenariosOf(options: BenchOptions): readonly Scenario[] {
  return options.layouts.flatMap((layout) => scenariosIn(layout, options));
}

function scenariosIn(layout: Layout, { connections, bodies, mtls, newConnections, rate }: BenchOptions): readonly Scenario[] {
  const middle = [...connections].sort((a, b) => a - b)[Math.floor((connections.length - 1) / 2)] ?? 1;
  const usual: Scenario = { layout, mtls: mtls[0] ?? 'off', mode: { kind: 'keep-alive' }, connections: middle, body: bodies[0] ?? 0 };
  return [
    ...connections.map((count) => ({ ...usual, connections: count })),
    ...bodies.slice(1).map((body) => ({ ...usual, body })),
    ...mtls.slice(1).map((mode) => ({ ...usual, mtls: mode })),
    ...(newConnections ? [{ ...usual, mode: { kind: 'new connections' } } as const] : []),
    ...(rate === null ? [] : [{ ...usual, mode: { kind: 'fixed rate', rate } } as const]),
  ];
}

/** The streams, none unless asked for: always on all CPUs, where a sender and a receiver can work at once. */
export function streamsOf({ stream }: Pick<BenchOptions, 'stream'>): readonly StreamScenario[] {
  if (!stream) return [];
  return (['direct', 'one proxy'] as const).flatMap((way) => pieces.map((piece) => ({ layout: 'spread', way, piece }) as const));
}

/** Which configurations can stream which way. */
export function streams(kind: BenchOptions['configurations'][number]['kind'], way: StreamScenario['way']): boolean {
  const direct = kind === 'none' || kind === 'direct+accelerate' || kind === 'policy';
  return way === 'direct' ? direct : !direct;
}

/** About how many seconds all runs take together. */
export function estimatedSeconds(options: BenchOptions): number {
  const { configurations, rounds, duration, warmup } = options;
  const one = configurations.length * (rounds * (duration + overheadSeconds) + (warmup > 0 ? warmup + overheadSeconds : 0));
  const stream = streamsOf(options).reduce(
    (sum, { way }) => sum + configurations.filter(({ kind }) => streams(kind, way)).length * rounds * (streamSeconds + overheadSeconds),
    0,
  );
  return Math.round(scenariosOf(options).length * one + stream);
}

/** `16 connections, keep-alive, body 64 KiB, mTLS, one CPU` */
export function scenarioText({ layout, mtls, mode, connections, body }: Scenario): string {
  const how = mode.kind === 'fixed rate' ? `${mode.rate} requests a second` : mode.kind;
  const size = `answers of ${sizeText(body)}`;
  return `${connections} ${connections === 1 ? 'connection' : 'connections'}, ${how}, ${size}, mTLS ${mtls}, ${layout}`;
}

/** `64 KiB` */
export function sizeText(bytes: number): string {
  if (bytes >= 1 << 20 && bytes % (1 << 20) === 0) return `${bytes >> 20} MiB`;
  return bytes >= 1024 && bytes % 1024 === 0 ? `${bytes >> 10} KiB` : `${bytes} B`;
}
