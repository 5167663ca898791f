import { expect, test } from 'vitest';
import { parseManifests } from '../../manifests/parse.ts';
import { LabObjects, referenceOf } from './objects.ts';

const service = (port: number) =>
  parseManifests(`apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: demo}\nspec: {ports: [{port: ${port}}]}\n`, 'f').manifests;
const namespace = parseManifests('apiVersion: v1\nkind: Namespace\nmetadata: {name: demo}\n', 'f').manifests;

test('LabObjects.apply() says created, unchanged and configured as kubectl does', () => {
  const first = new LabObjects().apply(service(80));
  const second = first.objects.apply(service(80));
  const third = second.objects.apply(service(81));
  expect([first, second, third].flatMap(({ outcomes }) => outcomes.map(({ outcome }) => outcome))).toEqual([
    'created',
    'unchanged',
    'configured',
  ]);
});

test('LabObjects.apply() leaves the set it is called on as it was', () => {
  const empty = new LabObjects();
  empty.apply(service(80));
  expect(empty.all()).toEqual([]);
});

test('LabObjects.delete() takes everything in a namespace along, and calls each named object deleted', () => {
  const { objects } = new LabObjects().apply([...namespace, ...service(80)]);
  const result = objects.delete([...namespace, ...service(80)].map(referenceOf));
  expect(result.objects.all()).toEqual([]);
  expect(result.outcomes.map(({ outcome }) => outcome)).toEqual(['deleted', 'deleted']);
});

test('LabObjects.delete() says not found when there is no such object', () => {
  expect(new LabObjects().delete([{ kind: 'Service', namespace: 'demo', name: 'a' }]).outcomes).toMatchObject([{ outcome: 'not found' }]);
});
