import { UserError } from '../base/errors.ts';
import { isSysError, SysError } from './sys-error.ts';

/** What trying something showed. `unknown` is not `no`: the attempt itself failed for another reason (rights, a read-only mount). */
export type ProbeAnswer =
  | { readonly kind: 'yes' }
  | { readonly kind: 'no'; readonly cost: string; readonly cure: string }
  | { readonly kind: 'unknown'; readonly why: string };

/** Something that Millrace needs of the machine, and how to find out whether it is there: by trying, never by a version. */
export interface Probe {
  readonly name: string;
  /** false: Millrace runs without it, at the cost named. */
  readonly required: boolean;
  /** What does not work without it. */
  readonly cost: string;
  /** How to get it. */
  readonly cure: string;
  /** true or false; throws when it cannot tell. Blocks for a few milliseconds at most; start-up and `millrace doctor` only. */
  readonly try: () => boolean;
}

export interface ProbeResult {
  readonly name: string;
  readonly answer: ProbeAnswer;
  readonly cost: string;
  readonly cure: string;
  readonly required: boolean;
}

/** Runs one probe. A probe that throws could not tell; lacking rights are named as such. */
export function runProbe(probe: Probe): ProbeResult {
  const { name, cost, cure, required } = probe;
  return { name, answer: answerOf(probe), cost, cure, required };
}

function answerOf(probe: Probe): ProbeAnswer {
  try {
    return probe.try() ? { kind: 'yes' } : { kind: 'no', cost: probe.cost, cure: probe.cure };
  } catch (error) {
    if (error instanceof UserError) return { kind: 'no', cost: probe.cost, cure: error.cure };
    if (isSysError(error, 'EPERM', 'EACCES'))
      return { kind: 'unknown', why: `the kernel does not let this user ask (${error.errno}): run it as root` };
    if (error instanceof SysError) return { kind: 'unknown', why: `${error.call} failed with ${error.errno}` };
    return { kind: 'unknown', why: error instanceof Error ? error.message : String(error) };
  }
}
