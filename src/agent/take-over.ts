import { PolicyCompiler } from '../policy/compiler.ts';
import type { Steps } from '../policy/steps.ts';
import { stepsBetween, stepsFrom } from '../policy/steps.ts';
import type { Policy, PolicyCluster } from '../policy/types.ts';
import type { PolicyTableWriter } from '../policy-tables/index.ts';

/** MR_IDENTITY_FIRST_RANGE, and the first number after those of ranges. */
const [firstRange, afterRanges] = [2 ** 24, 2 ** 25];

interface Tables {
  readonly compiler: PolicyCompiler;
  readonly writer: PolicyTableWriter;
  readonly cluster: PolicyCluster;
}

interface Way {
  readonly compiler: PolicyCompiler;
  readonly steps: Steps;
}

/**
 * How to get from what the kernel judges by to these policies. Null: by what an earlier agent left, whenever it ended. Then it is another compiler, which
 * gives the same numbers to whom has them, so that no row means somebody else for a moment. @throws SysError; MillraceError IDENTITIES_EXHAUSTED
 */
export async function howToGo(judged: readonly Policy[] | null, policies: readonly Policy[], tables: Tables): Promise<Way> {
  if (judged !== null) return { compiler: tables.compiler, steps: stepsBetween(judged, policies) };
  const { writer, cluster } = tables;
  await writer.learn();
  const left = new Map(writer.identities);
  const ranges = [...left].filter(([, identity]) => identity >= firstRange && identity < afterRanges).map(([prefix]) => prefix);
  return { compiler: new PolicyCompiler(left), steps: stepsFrom(ranges, policies, cluster) };
}
