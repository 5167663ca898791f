import { describe, expect, it } from 'vitest';
import { largePod, largePolicy, largePolicySet } from '../../test/support/large-policy-set.ts';
import { PolicyCompiler } from './compiler.ts';
import type { CompiledPolicy } from './types.ts';

describe('at size', () => {
  const { policies, cluster } = largePolicySet(5000, 20_000);
  const compiler = new PolicyCompiler();
  /** Processor time, because the machine that runs the tests has other work too; in milliseconds. */
  const cost = (work: () => void): number => {
    const before = process.cpuUsage();
    work();
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1000;
  };
  const median = (costs: number[]): number => costs.sort((a, b) => a - b)[Math.floor(costs.length / 2)] ?? 0;

  it('PolicyCompiler.compile() compiles 20,000 rules over 5,000 identities in seconds', () => {
    let compiled: CompiledPolicy | null = null;
    const spent = cost(() => {
      compiled = compiler.compile(policies, cluster);
    });
    expect(compiled).toMatchObject({ subjects: { length: 5000 } });
    expect(spent).toBeLessThan(3000);
  }, 60_000);

  it('PolicyCompiler.compile() takes up one changed policy or one new pod in milliseconds', () => {
    const policy = Array.from({ length: 15 }, (_, index) =>
      cost(() =>
        compiler.compile(
          policies.map((item, at) => (at === 17 + index ? largePolicy(at, 5000, 3) : item)),
          cluster,
        ),
      ),
    );
    const pod = Array.from({ length: 15 }, (_, index) => {
      const fresh = {
        ...largePod(2007),
        name: `new-${index}`,
        labels: { app: 'app-7', tier: `t${index}` },
        addresses: [`10.200.0.${index}`],
      };
      return cost(() => compiler.compile(policies, { ...cluster, pods: [...cluster.pods, fresh] }));
    });
    expect(median(policy)).toBeLessThan(80);
    expect(median(pod)).toBeLessThan(80);
  }, 60_000);
});
