import { expect, test } from 'vitest';
import { parseManifests } from '../../manifests/parse.ts';
import type { PodManifest } from '../../manifests/types.ts';
import { LabObjects } from './objects.ts';
import type { LivePod } from './snapshot.ts';
import { meshSnapshot, serviceEntries } from './snapshot.ts';

const objects = new LabObjects().apply(
  parseManifests(
    `
apiVersion: v1
kind: Service
metadata: {name: web, namespace: demo}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: main}, {name: dns, port: 53, protocol: UDP}]}
---
apiVersion: v1
kind: Service
metadata: {name: none, namespace: demo}
spec: {ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: headless, namespace: demo}
spec: {clusterIP: None, selector: {app: web}, ports: [{port: 80}]}
`,
    'f',
  ).manifests,
).objects;

function pod(name: string, rest: Partial<LivePod> = {}): LivePod {
  const text = `apiVersion: v1\nkind: Pod\nmetadata: {name: ${name}}\nspec: {containers: [{name: c, image: busybox, ports: [{name: main, containerPort: 8080}]}]}\n`;
  const [manifest] = parseManifests(text, 'f').manifests.filter((each): each is PodManifest => each.kind === 'Pod');
  if (manifest === undefined) throw new Error('no pod');
  const labels = { app: 'web' };
  return {
    namespace: 'demo',
    name,
    owner: name,
    labels,
    annotations: {},
    spec: manifest.spec,
    addresses: [`10.244.0.${name.length}`],
    injected: true,
    ready: true,
    ...rest,
  };
}

const addresses = new Map([
  ['demo/web', '10.96.1.1'],
  ['demo/none', '10.96.1.2'],
]);

test('serviceEntries() has the ready, selected pods with their named port behind every TCP port', () => {
  const pods = [pod('aa'), pod('bbb', { ready: false }), pod('cccc', { namespace: 'other' }), pod('ddddd', { labels: { app: 'x' } })];
  expect(serviceEntries(meshSnapshot(objects, pods, addresses))).toEqual([
    { address: '10.96.1.1', port: 80, protocol: 'TCP', backends: [{ address: '10.244.0.2', port: 8080 }] },
    // No selector: Kubernetes leaves the endpoints to somebody else.
    { address: '10.96.1.2', port: 80, protocol: 'TCP', backends: [] },
  ]);
});

test('meshSnapshot() marks a service without an address as headless', () => {
  const service = meshSnapshot(objects, [], addresses).services.find(({ name }) => name === 'headless');
  expect(service).toMatchObject({ headless: true, clusterIPs: [] });
});
