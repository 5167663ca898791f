import { setImmediate } from 'node:timers/promises';
import type { BackEnd } from './back-end.ts';
import { openBackEnd } from './back-end.ts';
import { runFlow } from './flows/run-flow.ts';
import { judge } from './judge.ts';
import { removeLeftovers } from './leftovers.ts';
import type { Stage } from './stage.ts';
import { proxyOf } from './stage.ts';
import { createPodNetwork } from './topology.ts';
import type { Mode, Row, RowResult, World } from './types.ts';

export interface RunOptions {
  readonly modes: readonly Mode[];
  readonly rows: readonly Row[];
  /** Let sockets join the acceleration; off unless told. */
  readonly accelerate?: boolean;
  readonly signal: AbortSignal;
  /** Called as soon as a row has been run. */
  readonly onResult?: (result: RowResult) => void;
}

/**
 * Runs rows under modes, one after the other, each group of one configuration in a pod of its own. Whatever happens, nothing stays behind.
 * @throws the abort reason; UserError where the machine cannot
 */
export async function runConformance(options: RunOptions): Promise<readonly RowResult[]> {
  await removeLeftovers();
  const results: RowResult[] = [];
  try {
    for (const mode of options.modes) await runMode(mode, options, results);
  } catch (error) {
    // A Ctrl-C ends the programs that we had started too: their failure is not the news. It may have come while this thread was blocked.
    await setImmediate();
    options.signal.throwIfAborted();
    throw error;
  }
  return results;
}

async function runMode(mode: Mode, { rows, accelerate = false, signal, onResult }: RunOptions, results: RowResult[]): Promise<void> {
  await using backEnd = await openBackEnd(mode, accelerate);
  for (const [world, group] of byWorld(rows)) {
    signal.throwIfAborted();
    for await (const result of runWorld(mode, backEnd, world, group, signal)) {
      results.push(result);
      onResult?.(result);
    }
  }
}

function byWorld(rows: readonly Row[]): ReadonlyMap<World, readonly Row[]> {
  const groups = new Map<World, Row[]>();
  for (const row of rows) {
    const group = groups.get(row.world);
    if (group === undefined) groups.set(row.world, [row]);
    else group.push(row);
  }
  return groups;
}

async function* runWorld(mode: Mode, backEnd: BackEnd, world: World, rows: readonly Row[], signal: AbortSignal): AsyncGenerator<RowResult> {
  using network = await createPodNetwork(world.firstId === null ? {} : { firstId: world.firstId });
  const redirection = backEnd.redirection(network.pod, world);
  await redirection.install();
  try {
    using proxy = proxyOf({ network, world });
    proxy.start();
    const stage: Stage = { mode, world, network, redirection, proxy };
    for (const row of rows) {
      // The rows block this thread while they wait; here signals and exits of children get their turn.
      await setImmediate();
      signal.throwIfAborted();
      yield judge(row, mode, await runFlow(stage, row.flow));
    }
  } finally {
    await redirection.end();
  }
}
