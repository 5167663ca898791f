import { execFileSync } from 'node:child_process';
import type { MachineFacts as CommonFacts } from '../../src/bench/machine.ts';
import { machineFacts as commonFacts, loadAverage } from '../../src/bench/machine.ts';
import { findProgram, llvmNames } from '../../tools/find-program.mjs';

/** What a number depends on besides our code. */
export interface MachineFacts extends CommonFacts {
  /** Of the compiler that made the programs, as it says it; null where there is none. */
  readonly clang: string | null;
  /** In the minute before. Above the number of processors the machine was busy with something else. */
  readonly load: number;
}

/** Reads them; starts the compiler once to ask for its version. */
export function machineFacts(): MachineFacts {
  return { ...commonFacts(), clang: clangVersion(), load: loadAverage() };
}

/** `14.0.6`; null where there is no clang. */
export function clangVersion(): string | null {
  const clang = findProgram(llvmNames('clang'));
  if (clang === null) return null;
  const said = execFileSync(clang, ['--version'], { encoding: 'utf8' });
  return /clang version (\d+(?:\.\d+)*)/.exec(said)?.[1] ?? null;
}

/** One line. */
export function describeMachine(facts: MachineFacts): string {
  const { kernel, processor, processors, memory, node, clang, load } = facts;
  return `Linux ${kernel}, ${processors} × ${processor}, ${memory} GiB, Node ${node}, clang ${clang ?? 'none'}, load before ${load}`;
}
