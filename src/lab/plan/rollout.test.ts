import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ExistingPod, RolloutAction } from './rollout.ts';
import { planRollout } from './rollout.ts';
import type { PodTemplate } from './templates.ts';

const spec = {
  serviceAccountName: 'default',
  containers: [],
  restartPolicy: 'Always',
  terminationGracePeriodSeconds: 30,
  hostname: null,
} as const;

function template(replicas: number, hash: string, ownerKind: 'Deployment' | 'Pod' = 'Deployment'): PodTemplate {
  return { namespace: 'demo', owner: 'app', ownerKind, replicas, labels: {}, annotations: {}, spec, hash };
}

let sequence = 0;
function pod(hash: string, rest: Partial<ExistingPod> = {}): ExistingPod {
  sequence += 1;
  return {
    namespace: 'demo',
    name: `app-${sequence}`,
    owner: 'app',
    ownerKind: 'Deployment',
    hash,
    ready: true,
    terminating: false,
    sequence,
    ...rest,
  };
}

function summary(actions: readonly RolloutAction[]): readonly string[] {
  return actions.map((action) =>
    action.kind === 'create' ? `create ${action.template.hash}` : `remove ${action.name} (${action.reason})`,
  );
}

test('planRollout() creates what is missing and does nothing when all is there', () => {
  expect(summary(planRollout([template(2, 'h1')], []))).toEqual(['create h1', 'create h1']);
  expect(planRollout([template(2, 'h1')], [pod('h1'), pod('h1', { ready: false })])).toEqual([]);
});

test('planRollout() removes pods that do not serve, then the youngest, when there are too many', () => {
  const [old, sick, young] = [pod('h1'), pod('h1', { ready: false }), pod('h1')];
  expect(summary(planRollout([template(1, 'h1')], [old, sick, young]))).toEqual([
    `remove ${sick.name} (surplus)`,
    `remove ${young.name} (surplus)`,
  ]);
});

test('planRollout() keeps the old pods until new ones are ready when the template changes', () => {
  const old = [pod('h1'), pod('h1')];
  expect(summary(planRollout([template(2, 'h2')], old))).toEqual(['create h2', 'create h2']);
  const [ready, starting] = [pod('h2'), pod('h2', { ready: false })];
  expect(summary(planRollout([template(2, 'h2')], [...old, ready, starting]))).toEqual([`remove ${old[1]?.name} (outdated)`]);
});

test('planRollout() removes everything of an owner that is gone, and nothing twice', () => {
  const [one, going] = [pod('h1'), pod('h1', { terminating: true })];
  expect(summary(planRollout([], [one, going]))).toEqual([`remove ${one.name} (unwanted)`]);
});

test('planRollout() waits until the old Pod is gone when a bare Pod changes, because they have one name', () => {
  const old = pod('h1', { name: 'app', ownerKind: 'Pod' });
  expect(summary(planRollout([template(1, 'h2', 'Pod')], [old]))).toEqual(['remove app (outdated)']);
  expect(planRollout([template(1, 'h2', 'Pod')], [{ ...old, terminating: true }])).toEqual([]);
  expect(summary(planRollout([template(1, 'h2', 'Pod')], []))).toEqual(['create h2']);
});

test('planRollout() reaches the template from any pods and never has fewer ready pods than it began with or wants', () => {
  const existing = fc.array(fc.record({ hash: fc.constantFrom('h1', 'h2'), ready: fc.boolean() }), { maxLength: 6 });
  fc.assert(
    fc.property(existing, fc.integer({ min: 0, max: 5 }), (start, replicas) => {
      let pods = start.map(({ hash, ready }) => pod(hash, { ready }));
      const floor = Math.min(pods.filter((each) => each.ready).length, replicas);
      for (let round = 0; round < 20; round += 1) {
        const actions = planRollout([template(replicas, 'h2')], pods);
        const gone = new Set(actions.flatMap((action) => (action.kind === 'remove' ? [action.name] : [])));
        const created = actions.filter((action) => action.kind === 'create').map(() => pod('h2', { ready: false }));
        pods = [...pods.filter((each) => !gone.has(each.name)), ...created];
        expect(pods.filter((each) => each.ready).length).toBeGreaterThanOrEqual(floor);
        if (actions.length === 0 && pods.every((each) => each.ready)) break;
        pods = pods.map((each) => ({ ...each, ready: true }));
      }
      expect(pods.map((each) => each.hash)).toEqual(Array.from({ length: replicas }, () => 'h2'));
    }),
  );
});
