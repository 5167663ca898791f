import { describe, expect, it } from 'vitest';
import { generatePolicySet } from '../../test/support/policy-set.ts';
import { Random } from '../../test/support/random.ts';
import { PolicyCompiler } from './compiler.ts';
import type { Evaluation } from './evaluate.ts';
import { evaluate } from './evaluate.ts';
import type { Lookup } from './lookup.ts';
import { PolicyTables } from './lookup.ts';
import type { Policy, PolicyCluster, PolicyFlow } from './types.ts';

/** The two answers in comparable form; where they differ, the object shows everything that is needed to see why. */
function compare(policies: readonly Policy[], cluster: PolicyCluster, flow: PolicyFlow, found: Lookup): { plain: object; table: object } {
  const plain: Evaluation = evaluate(policies, cluster, flow);
  const named = found.rule === null ? null : (({ id: _id, ...rule }) => rule)(found.rule);
  const deciding = plain.rules.some((rule) => JSON.stringify(rule, sorted) === JSON.stringify(named, sorted));
  return {
    plain: { flow, verdict: plain.verdict, reason: plain.reason, rule: plain.rules.length === 0 ? null : deciding ? named : plain.rules },
    table: { flow, verdict: found.verdict, reason: found.reason, rule: named },
  };
}

function sorted(_key: string, value: unknown): unknown {
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? Object.fromEntries(Object.entries(value).sort()) : value;
}

describe('evaluate() and the compiled table', () => {
  it.each([1, 2, 3, 4])(
    'PolicyCompiler.compile() says what evaluate() says, and names a rule that decided: part %i of 400 sets with 40 flows each',
    (part) => {
      const verdicts = { allow: 0, deny: 0, null: 0, 133: 0, 181: 0, 203: 0 };
      for (let seed = part * 100 - 99; seed <= part * 100; seed++) {
        const { policies, cluster, flows, manifests } = generatePolicySet(seed);
        expect(
          policies.flatMap(({ problems }) => problems),
          `seed ${seed}`,
        ).toEqual([]);
        const tables = new PolicyTables(new PolicyCompiler().compile(policies, cluster));
        for (const flow of flows) {
          const found = tables.lookup(flow);
          const { plain, table } = compare(policies, cluster, flow, found);
          if (JSON.stringify(table, sorted) !== JSON.stringify(plain, sorted))
            expect(table, `seed ${seed}: ${JSON.stringify(manifests)}`).toEqual(plain);
          verdicts[found.verdict] += 1;
          verdicts[`${found.reason}`] += 1;
        }
      }
      // A generator that only ever meets one answer proves nothing.
      expect(Math.min(verdicts.allow, verdicts[133], verdicts[181])).toBeGreaterThan(100);
      expect(verdicts[203]).toBe(0);
    },
    120_000,
  );

  it.each([1, 2])(
    'PolicyCompiler.compile() says the same after any sequence of changes: part %i of 60 sequences',
    (part) => {
      let compared = 0;
      for (let seed = part * 30 - 29; seed <= part * 30; seed++) {
        const random = new Random(seed);
        const sets = [0, 1, 2].map((part) => generatePolicySet(seed * 1000 + part, 30));
        const compiler = new PolicyCompiler();
        for (let step = 0; step < 8; step++) {
          const from = random.pick(sets);
          const others = random.pick(sets);
          const policies = random.some(0, 5, () => random.pick(from.policies));
          const unique = [
            ...new Map(
              policies.map((policy) => [`${policy.reference.kind}/${policy.reference.namespace}/${policy.reference.name}`, policy]),
            ).values(),
          ];
          const cluster = { ...others.cluster, pods: others.cluster.pods.filter(() => random.chance(0.8)) };
          const tables = new PolicyTables(compiler.compile(unique, cluster));
          for (const flow of others.flows) {
            const { plain, table } = compare(unique, cluster, flow, tables.lookup(flow));
            if (JSON.stringify(table, sorted) !== JSON.stringify(plain, sorted)) expect(table, `seed ${seed} step ${step}`).toEqual(plain);
            compared += 1;
          }
        }
      }
      expect(compared).toBe(30 * 8 * 30);
    },
    120_000,
  );
});
