import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ProbeResult } from './probe.ts';
import { runProbe } from './probe.ts';
import { featureProbes } from './probe-features.ts';
import { machineProbes } from './probe-machine.ts';
import { programProbes } from './probe-programs.ts';

/**
 * Finds out what this machine can do, by trying each thing: rights and mounts first, then maps and commands, then every program type and
 * helper. Touches nothing that is not its own; takes about 20 ms. `environment` gives $PATH.
 * @throws the abort reason when `signal` aborts
 */
export async function runProbes(options: { environment?: NodeJS.ProcessEnv; signal?: AbortSignal } = {}): Promise<readonly ProbeResult[]> {
  const results: ProbeResult[] = [];
  for (const probe of [...machineProbes((options.environment ?? process.env).PATH ?? ''), ...featureProbes(), ...programProbes()]) {
    results.push(runProbe(probe));
    // Each blocks for a moment: others have their turn in between.
    await nextTurn(undefined, options.signal === undefined ? {} : { signal: options.signal });
  }
  return results;
}

/** The required things that are missing; empty when Millrace can run here. */
export function missingRequirements(results: readonly ProbeResult[]): ProbeResult[] {
  return results.filter((result) => result.required && result.answer.kind === 'no');
}
