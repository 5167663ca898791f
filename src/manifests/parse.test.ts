import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { manifestFailure, podText, serviceText } from '../../test/support/manifest-text.ts';
import { parseManifests } from './parse.ts';
import type { Manifest, ManifestKind } from './types.ts';

const example = (name: string) => readFileSync(new URL(`../../examples/${name}`, import.meta.url), 'utf8');

function only<K extends ManifestKind>(text: string, kind: K): Extract<Manifest, { kind: K }> {
  const [first] = parseManifests(text, 'a.yaml').manifests;
  if (first?.kind !== kind) throw new Error(`not a ${kind}`);
  // The check above is on the discriminant, which a type parameter does not narrow.
  return first as Extract<Manifest, { kind: K }>;
}

describe('the examples', () => {
  it('parseManifests() reads the article unchanged when it is given -n demo', () => {
    const names = ['sample.yaml', 'istio-l7-policy.yaml', 'dummy-db-and-policy.yaml'].flatMap((file) =>
      parseManifests(example(`policy-article/${file}`), file, { defaultNamespace: 'demo' }).manifests.map(
        ({ kind, metadata }) => `${kind} ${metadata.namespace}/${metadata.name}`,
      ),
    );
    expect(names).toEqual([
      'ServiceAccount demo/sleep',
      'Service demo/sleep',
      'Deployment demo/sleep',
      'ServiceAccount demo/httpbin',
      'Service demo/httpbin',
      'Deployment demo/httpbin',
      'AuthorizationPolicy demo/httpbin-viewer',
      'Service demo/sensitive-db',
      'Deployment demo/sensitive-db',
      'CiliumNetworkPolicy demo/db-access-control',
    ]);
  });

  it('parseManifests() fills defaults and keeps places when it reads the article', () => {
    const manifests = parseManifests(example('policy-article/sample.yaml'), 'sample.yaml', { defaultNamespace: 'demo' }).manifests;
    const httpbin = manifests.find((item) => item.kind === 'Deployment' && item.metadata.name === 'httpbin');
    expect(httpbin).toMatchObject({
      replicas: 1,
      selector: { matchLabels: { app: 'httpbin' }, matchExpressions: [] },
      template: {
        labels: { app: 'httpbin' },
        annotations: {},
        spec: { serviceAccountName: 'httpbin', restartPolicy: 'Always', terminationGracePeriodSeconds: 30 },
      },
    });
    expect(httpbin?.kind === 'Deployment' && httpbin.template.spec.containers[0]).toEqual({
      name: 'httpbin',
      image: 'kennethreitz/httpbin',
      command: null,
      args: null,
      env: [],
      ports: [{ name: null, containerPort: 80, protocol: 'TCP' }],
      workingDir: null,
      runAsUser: null,
      runAsGroup: null,
      readinessProbe: null,
      livenessProbe: null,
      position: { file: 'sample.yaml', line: 74, column: 9 },
    });
    const services = manifests.filter((item) => item.kind === 'Service');
    expect(services[0]).toMatchObject({
      type: 'ClusterIP',
      clusterIP: null,
      ports: [{ port: 80, targetPort: 80, name: 'http', protocol: 'TCP', appProtocol: null }],
    });
    expect(services[1]).toMatchObject({ ports: [{ port: 8000, targetPort: 80 }], position: { line: 44, column: 1 } });
  });

  it('parseManifests() reads the policies of the article, and warns of nothing', () => {
    const { manifests, warnings } = parseManifests(example('policy-article/dummy-db-and-policy.yaml'), 'db.yaml');
    expect(manifests[2]).toMatchObject({
      kind: 'CiliumNetworkPolicy',
      faults: [],
      specs: [{ endpointSelector: { matchLabels: { app: 'sensitive-db' } }, ingress: [{ endpoints: null, ports: null }], egress: null }],
    });
    expect(warnings).toEqual([]);
    expect(parseManifests(example('policy-article/allow-kafka-egress.yaml'), 'k.yaml').manifests).toMatchObject([
      { specs: [{ egress: [{ cidr: ['172.20.0.0/16'], ports: [{ ports: [{ port: '9092', protocol: 'TCP' }] }] }] }] },
    ]);
  });
});

describe('what is accepted', () => {
  it('parseManifests() answers nothing when the text holds no objects', () => {
    for (const text of ['', '# only a comment\n', '---\n---\n', '\ufeff']) expect(parseManifests(text, 'a').manifests).toEqual([]);
  });

  it('parseManifests() opens a List and keeps places when it meets one', () => {
    const text =
      'apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Namespace\n  metadata:\n    name: a\n- apiVersion: v1\n  kind: Namespace\n  metadata:\n    nam: b\n';
    expect(manifestFailure(text)).toMatchObject({ where: { line: 11, column: 5 } });
    expect(manifestFailure(text).message).toContain('items[1].metadata.nam');
    expect(parseManifests(text.replace('nam:', 'name:'), 'a').manifests.map((item) => item.position.line)).toEqual([4, 8]);
  });

  it('parseManifests() takes JSON', () => {
    expect(
      only('{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"j","labels":{"constructor":"x"}}}', 'Namespace').metadata,
    ).toEqual({
      name: 'j',
      namespace: '',
      labels: { constructor: 'x' },
      annotations: {},
    });
  });

  it('parseManifests() follows aliases and merge keys, and the explicit field wins', () => {
    const text =
      'apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\n  labels: &l {app: x, v: "1"}\n  annotations:\n    <<: *l\n    v: "2"\nspec:\n  containers:\n  - &c {name: a, image: i, ports: [{containerPort: 1}]}\n  - <<: *c\n    name: b\n';
    const read = only(text, 'Pod');
    expect(read.metadata.annotations).toEqual({ app: 'x', v: '2' });
    expect(read.spec.containers.map((item) => [item.name, item.ports.length])).toEqual([
      ['a', 1],
      ['b', 1],
    ]);
    expect(manifestFailure(text.replace('containerPort: 1', 'containerPort: 0'))).toMatchObject({ where: { line: 11 } });
  });

  it('parseManifests() takes a field without a value for one that is not there', () => {
    expect(
      only(
        'apiVersion: v1\nkind: Pod\nmetadata: {name: p, labels: , annotations: ~}\nspec: {containers: [{name: c, image: i, env: null}], hostname: }\n',
        'Pod',
      ),
    ).toMatchObject({
      metadata: { labels: {}, annotations: {} },
      spec: { hostname: null, containers: [{ env: [] }] },
    });
  });

  it('parseManifests() accepts what kubectl get -o yaml adds', () => {
    const text =
      'apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d, uid: u, resourceVersion: "1", generation: 2, creationTimestamp: null, managedFields: [{}], ownerReferences: [], selfLink: x}\nspec:\n  progressDeadlineSeconds: 600\n  revisionHistoryLimit: 10\n  strategy: {rollingUpdate: {maxSurge: 25%}, type: RollingUpdate}\n  selector: {matchExpressions: [{key: a, operator: In, values: [b]}]}\n  template:\n    metadata: {creationTimestamp: null, labels: {a: b}}\n    spec:\n      containers: [{name: c, image: i, imagePullPolicy: Always, resources: {limits: {cpu: 1}}, terminationMessagePath: /dev/x, terminationMessagePolicy: File, volumeMounts: []}]\n      dnsPolicy: ClusterFirst\n      nodeSelector: {x: y}\n      tolerations: []\n      affinity: {}\n      securityContext: {}\n      schedulerName: default-scheduler\nstatus: {replicas: 1}\n';
    expect(parseManifests(text, 'a').warnings).toEqual([]);
  });

  it('parseManifests() warns, with the place, when a field would change what a pod does and the lab ignores it', () => {
    const text = podText(
      '{hostNetwork: true, hostPID: false, initContainers: [{}], volumes: [{}], containers: [{name: c, image: i, envFrom: [{}], env: [{name: A, valueFrom: {}}, {name: B}], lifecycle: {}, startupProbe: {}, readinessProbe: {grpc: {port: 1}}, ports: [{containerPort: 1, hostPort: 2}]}]}',
    );
    const { manifests, warnings } = parseManifests(text, 'a');
    expect(manifests[0]).toMatchObject({ spec: { containers: [{ env: [{ name: 'B', value: '' }], readinessProbe: null }] } });
    expect(warnings.map(({ message }) => message.split(' ')[0])).toEqual([
      'spec.initContainers',
      'spec.volumes',
      'spec.hostNetwork',
      'spec.containers[0].envFrom',
      'spec.containers[0].lifecycle',
      'spec.containers[0].startupProbe',
      'spec.containers[0].env[0].valueFrom',
      'spec.containers[0].ports[0].hostPort',
      'spec.containers[0].readinessProbe.grpc',
    ]);
    expect(warnings.every(({ position }) => position?.line === 4)).toBe(true);
    expect(warnings[2]?.position).toEqual({ file: 'a', line: 4, column: 8 });
  });

  it('parseManifests() fills a probe and inherits ids from the pod', () => {
    const read = only(
      podText(
        '{securityContext: {runAsUser: 7, runAsGroup: 8}, containers: [{name: c, image: i, securityContext: {runAsUser: 9}, livenessProbe: {httpGet: {port: http}}}]}',
      ),
      'Pod',
    );
    expect(read.spec.containers[0]).toMatchObject({
      runAsUser: 9,
      runAsGroup: 8,
      livenessProbe: {
        action: { kind: 'httpGet', path: '/', port: 'http', scheme: 'HTTP' },
        initialDelaySeconds: 0,
        periodSeconds: 10,
        timeoutSeconds: 1,
        successThreshold: 1,
        failureThreshold: 3,
      },
    });
  });

  it('parseManifests() takes a headless Service without ports and makes addresses canonical', () => {
    expect(only(serviceText('{clusterIP: None}'), 'Service')).toMatchObject({ clusterIP: 'None', ports: [], selector: {} });
    expect(only(serviceText('{clusterIP: "FD00::0:1", ports: [{port: 1}]}'), 'Service').clusterIP).toBe('fd00::1');
  });
});

describe('bounds', () => {
  const small = (index: number) => `---\napiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: s${index}\n`;

  it('parseManifests() reads 10,000 documents in a few seconds and refuses one more', { timeout: 60_000 }, () => {
    const text = Array.from({ length: 10_000 }, (_, index) => small(index)).join('');
    const started = performance.now();
    expect(parseManifests(text, 'a').manifests).toHaveLength(10_000);
    expect(performance.now() - started).toBeLessThan(15_000);
    expect(manifestFailure(text + small(10_000))).toMatchObject({ code: 'MANIFEST_TOO_LARGE' });
  });

  it('parseManifests() counts the items of a List', { timeout: 60_000 }, () => {
    const items = Array.from({ length: 10_001 }, (_, index) => `- {apiVersion: v1, kind: Namespace, metadata: {name: n${index}}}`).join(
      '\n',
    );
    expect(manifestFailure(`apiVersion: v1\nkind: List\nitems:\n${items}\n`)).toMatchObject({
      code: 'MANIFEST_TOO_LARGE',
      where: { line: 10_004 },
    });
  });

  it('parseManifests() refuses more than 16 MiB before it reads them', () => {
    expect(manifestFailure(`#${'x'.repeat(16 * 1024 * 1024)}`)).toMatchObject({ code: 'MANIFEST_TOO_LARGE' });
  });

  it('parseManifests() refuses aliases that expand without bound', () => {
    const levels = Array.from(
      { length: 9 },
      (_, level) =>
        `k${level}: &a${level} [${Array(9)
          .fill(level === 0 ? 'x' : `*a${level - 1}`)
          .join(', ')}]`,
    );
    expect(manifestFailure(levels.join('\n'))).toMatchObject({
      code: 'MANIFEST_SYNTAX',
      message: expect.stringContaining('expand to more than'),
    });
    const merges = Array.from(
      { length: 40 },
      (_, level) => `k${level}: &a${level} ${level === 0 ? '{x: 1}' : `{<<: [*a${level - 1}, *a${level - 1}]}`}`,
    );
    expect(manifestFailure(merges.join('\n')).message).toContain('expand to more than');
  });

  it('parseManifests() refuses what is nested without end', () => {
    for (const text of ['['.repeat(50_000), '- '.repeat(50_000), `${'['.repeat(150)}${']'.repeat(150)}`]) {
      expect(manifestFailure(text)).toMatchObject({ code: 'MANIFEST_SYNTAX', message: expect.stringContaining('nested too deeply') });
    }
  });

  it('parseManifests() reads a map of 50,000 fields in linear time', { timeout: 30_000 }, () => {
    const text = Array.from({ length: 50_000 }, (_, index) => `k${index}: 1`).join('\n');
    const started = performance.now();
    expect(manifestFailure(text).code).toBe('MANIFEST_INVALID');
    expect(performance.now() - started).toBeLessThan(10_000);
  });
});
