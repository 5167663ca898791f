import type { CompiledPolicy, Policy, PolicyCluster, PolicyPod } from '../policy/types.ts';
import type { PodGuard } from '../policy-tables/index.ts';
import type { EnrolledPod } from './enrolled-pod.ts';
import { guardProblem } from './policy-pod.ts';

/** A pod of this node that policy knows. */
export interface GuardedPod {
  readonly pod: EnrolledPod;
  /** null while it has no address. */
  readonly known: PolicyPod | null;
  /** null until the programs hang at its interfaces. */
  readonly guard: PodGuard | null;
  /** Why they do not hang there. */
  readonly failure: string | null;
  /** Addresses of its namespace that are not taken for its own. */
  readonly foreign: readonly string[];
}

/** What the kernel judges by, and what it was made from. */
export interface HeldPolicy {
  readonly compiled: CompiledPolicy;
  readonly policies: readonly Policy[];
  readonly cluster: PolicyCluster;
}

/** Why policy does not hold at a pod as it should, in words; null: it does, or nobody has looked yet. */
export function problemOf({ guard, failure, foreign }: GuardedPod): string | null {
  const problem = failure ?? (guard === null ? null : guardProblem(guard));
  if (problem !== null || foreign.length === 0) return problem;
  return `policy drops what the pod sends from ${foreign.join(', ')}, which it had not when it was enrolled: remove it and add it again where that is meant`;
}
