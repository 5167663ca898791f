import type { LabOptions } from '../lab/api.ts';
import { startDaemon } from '../lab/start.ts';
import { stopLab } from '../lab/stop.ts';
import { databaseSteps } from './database-steps.ts';
import { requestSteps } from './flow-steps.ts';
import { kafkaSteps } from './kafka-steps.ts';
import { policySteps } from './policy-steps.ts';
import { proofSteps } from './proof-steps.ts';
import { Stage } from './stage.ts';
import type { Step, StepResult } from './step.ts';

export interface DemoOptions {
  readonly lab: LabOptions;
  /** Leave the lab running at the end. */
  readonly keep: boolean;
  readonly signal: AbortSignal;
  readonly onStart: (step: Step) => void;
  readonly onResult: (result: StepResult) => void;
}

/**
 * The walkthrough, from nothing to proof: starts a lab of its own, does every step in order, also after one that differs, and ends the lab.
 * Returns all results. Throws what starting the lab throws, and the abort reason; the lab is ended then too.
 */
export async function runDemo(options: DemoOptions): Promise<readonly StepResult[]> {
  const results: StepResult[] = [];
  // leftovers of a demo that was killed, or a lab that was kept: a demo begins with nothing
  await stopLab(options.lab.instance);
  try {
    await startDaemon(options.lab);
    const stage = new Stage(options.lab, options.signal);
    for (const step of [
      ...policySteps(stage),
      ...proofSteps(stage),
      ...requestSteps(stage),
      ...databaseSteps(stage),
      ...kafkaSteps(stage),
    ]) {
      options.signal.throwIfAborted();
      options.onStart(step);
      const result = await perform(step);
      results.push(result);
      options.onResult(result);
    }
    return results;
  } finally {
    if (!options.keep || options.signal.aborted) await stopLab(options.lab.instance);
  }
}

async function perform({ look, ...step }: Step): Promise<StepResult> {
  const started = performance.now();
  const observation = await look();
  return { ...step, ...observation, durationMs: Math.round(performance.now() - started) };
}
