/** What one step of the walkthrough showed. */
export interface Observation {
  /** What was seen, in the words of `expected`. */
  readonly seen: string;
  readonly asExpected: boolean;
  /** The evidence behind it, as the system printed it; shown below the step. */
  readonly evidence?: readonly string[];
}

/** One step: what is done, what must be seen, and the doing. */
export interface Step {
  /** Stable, for machines: `get-ip`. */
  readonly id: string;
  readonly title: string;
  /** What a person would type to see the same. */
  readonly command: string;
  readonly expected: string;
  look(): Promise<Observation>;
}

export interface StepResult extends Omit<Step, 'look'>, Observation {
  readonly durationMs: number;
}

/** An observation that is right when it equals what was expected. */
export function exactly(expected: string, seen: string, evidence?: readonly string[]): Observation {
  return { seen, asExpected: seen === expected, ...(evidence === undefined ? {} : { evidence }) };
}
