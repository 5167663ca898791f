import { runProbes } from '../kernel/index.ts';
import type { BackendChoice } from '../redirect/choose-backend.ts';
import { chooseBackend } from '../redirect/choose-backend.ts';

/** What this machine allows, as far as enrolling a pod depends on it. */
export interface Machine {
  /** Who redirects pods that ask for `auto`. */
  readonly choice: BackendChoice;
  /** Whether DNS over UDP can be captured (tcx, Linux ≥ 6.6). */
  readonly tcx: boolean;
}

/** Asks the kernel, by trying: about 20 ms. */
export async function probeMachine(): Promise<Machine> {
  const results = await runProbes();
  return { choice: chooseBackend(results), tcx: results.some(({ name, answer }) => name === 'link tcx' && answer.kind !== 'no') };
}
