import { expect, test } from 'vitest';
import { deploymentPodName, templateHash } from './names.ts';

test('templateHash() stays when keys are in another order or the text has moved in its file', () => {
  const here = { labels: { app: 'a', tier: 'b' }, spec: { image: 'x', position: { file: 'f', line: 1, column: 1 } } };
  const there = { spec: { position: { file: 'g', line: 9, column: 3 }, image: 'x' }, labels: { tier: 'b', app: 'a' } };
  expect(templateHash(there)).toBe(templateHash(here));
});

test('templateHash() changes when a value, a type or an order in a list changes', () => {
  const hashes = [{ a: 1 }, { a: '1' }, { a: 2 }, { a: [1, 2] }, { a: [2, 1] }, { a: null }, {}].map(templateHash);
  expect(new Set(hashes).size).toBe(hashes.length);
});

test('deploymentPodName() is a DNS label like those of Kubernetes when the Deployment has a usual name', () => {
  const name = deploymentPodName('sleep', templateHash({}), (bytes) => new Uint8Array(bytes).fill(7));
  expect(name).toMatch(/^sleep-[bcdfghjklmnpqrstvwxz2456789]{9}-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
});
