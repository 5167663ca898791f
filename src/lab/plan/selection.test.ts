import { expect, test } from 'vitest';
import type { SelectablePod } from './selection.ts';
import { parsePodReference, selectPod } from './selection.ts';

function pod(namespace: string, name: string, owner: string, rest: Partial<SelectablePod> = {}): SelectablePod {
  return { namespace, name, owner, labels: { app: owner }, ready: true, terminating: false, ...rest };
}

const pods = [
  pod('demo', 'sleep-b-1', 'sleep', { ready: false }),
  pod('demo', 'sleep-b-2', 'sleep'),
  pod('demo', 'sleep-b-3', 'sleep', { terminating: true }),
  pod('demo', 'tool', 'tool'),
  pod('other', 'tool', 'tool'),
];

function select(text: string, namespace: string | null = null): string {
  const found = selectPod(pods, parsePodReference(text), namespace, 'lab');
  return `${found.namespace}/${found.name}`;
}

test.each([
  ['sleep-b-1', 'demo/sleep-b-1'],
  ['pod/sleep-b-3', 'demo/sleep-b-3'],
  ['sleep', 'demo/sleep-b-2'],
  ['deploy/sleep', 'demo/sleep-b-2'],
  ['deployment/sleep', 'demo/sleep-b-2'],
  ['app=sleep', 'demo/sleep-b-2'],
  ['demo/sleep', 'demo/sleep-b-2'],
  ['other/tool', 'other/tool'],
])('selectPod() for %s finds %s', (text, expected) => {
  expect(select(text)).toBe(expected);
});

test('selectPod() keeps to a namespace when one is given', () => {
  expect(select('tool', 'other')).toBe('other/tool');
});

test.each(['nothing', 'deploy/tool', 'app=nothing', 'other/sleep'])('selectPod() throws POD_UNKNOWN when nothing matches %s', (text) => {
  expect(() => select(text)).toThrow(expect.objectContaining({ code: 'POD_UNKNOWN' }));
});

test('selectPod() throws POD_UNKNOWN when two namespaces have the name', () => {
  expect(() => select('tool')).toThrow(/several namespaces have a match for 'tool': demo, other/);
});

test.each(['', '/x', 'x/', '/'])('parsePodReference() throws USAGE when the reference is "%s"', (text) => {
  expect(() => parsePodReference(text)).toThrow(expect.objectContaining({ code: 'USAGE', exitCode: 2 }));
});
