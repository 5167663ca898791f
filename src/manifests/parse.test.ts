import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UserError } from '../base/errors.ts';
import { parseManifests } from './parse.ts';
import type { Manifest, ManifestKind } from './types.ts';

const example = (name: string) => readFileSync(new URL(`../../examples/${name}`, import.meta.url), 'utf8');

function failure(text: string): UserError {
  try {
    parseManifests(text, 'a.yaml');
  } catch (error) {
    if (error instanceof UserError) return error;
    throw error;
  }
  throw new Error('parseManifests() accepted it');
}

function only<K extends ManifestKind>(text: string, kind: K): Extract<Manifest, { kind: K }> {
  const [first] = parseManifests(text, 'a.yaml').manifests;
  if (first?.kind !== kind) throw new Error(`not a ${kind}`);
  // The check above is on the discriminant, which a type parameter does not narrow.
  return first as Extract<Manifest, { kind: K }>;
}

const pod = (spec: string) => `apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: ${spec}\n`;
const container = (rest: string) => pod(`{containers: [{name: c, image: i, ${rest}}]}`);
const service = (spec: string) => `apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: ${spec}\n`;
const deployment = (spec: string) => `apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec: ${spec}\n`;

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

  it('parseManifests() keeps a policy of Cilium raw and says so when it reads one', () => {
    const { manifests, warnings } = parseManifests(example('policy-article/dummy-db-and-policy.yaml'), 'db.yaml');
    expect(manifests[2]).toMatchObject({ kind: 'CiliumNetworkPolicy', raw: { spec: { ingress: [{}] } } });
    expect(warnings).toEqual([
      {
        message: 'CiliumNetworkPolicy db-access-control is stored but not enforced yet',
        position: { file: 'db.yaml', line: 38, column: 1 },
      },
    ]);
    expect(parseManifests(example('policy-article/allow-kafka-egress.yaml'), 'k.yaml').manifests).toHaveLength(1);
  });

  it('parseManifests() keeps nulls of a raw policy when they are written', () => {
    const text = 'apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: n}\nspec: {podSelector: {}, ingress: }\n';
    expect(parseManifests(text, 'a').manifests).toMatchObject([{ kind: 'NetworkPolicy', raw: { spec: { ingress: null } } }]);
  });
});

describe('errors', () => {
  /** text; code; message contains; cure contains; line; column */
  const cases: readonly (readonly [string, string, string, string, string, number, number])[] = [
    ['broken YAML', 'a: [1,\nb: 2\n', 'MANIFEST_SYNTAX', 'the YAML is broken', 'Correct the YAML', 2, 1],
    ['a tab for indentation', 'a:\n\tb: 1\n', 'MANIFEST_SYNTAX', 'the YAML is broken', 'spaces', 2, 1],
    ['a field twice', 'apiVersion: v1\nkind: Pod\nkind: Pod\n', 'MANIFEST_SYNTAX', 'the field "kind" is given twice', 'Remove', 3, 1],
    ['__proto__', 'a:\n  __proto__: {x: 1}\n', 'MANIFEST_SYNTAX', '__proto__', 'Remove', 2, 3],
    ['a scalar', 'hello\n', 'MANIFEST_INVALID', 'it is not a map: current value "hello"', 'apiVersion', 1, 1],
    ['no kind', 'apiVersion: v1\n', 'MANIFEST_INVALID', 'kind is missing', 'Deployment', 1, 1],
    [
      'an unknown kind',
      'apiVersion: v1\nkind: ConfigMap\n',
      'MANIFEST_UNKNOWN_KIND',
      'current value "ConfigMap"',
      'Known kinds: Namespace',
      2,
      7,
    ],
    ['a misspelt kind', 'apiVersion: v1\nkind: Deploymnet\n', 'MANIFEST_UNKNOWN_KIND', 'not known', 'Did you mean Deployment?', 2, 7],
    ['constructor as kind', 'apiVersion: v1\nkind: constructor\n', 'MANIFEST_UNKNOWN_KIND', 'not known', 'Known kinds', 2, 7],
    [
      'a wrong apiVersion',
      'apiVersion: v1\nkind: Deployment\nmetadata: {name: d}\n',
      'MANIFEST_INVALID',
      'apiVersion is not one',
      'Write apps/v1.',
      1,
      13,
    ],
    [
      'no name',
      'apiVersion: v1\nkind: Namespace\nmetadata:\n  labels: {}\n',
      'MANIFEST_INVALID',
      'metadata.name is missing',
      'a string',
      4,
      3,
    ],
    ['no metadata', 'apiVersion: v1\nkind: Namespace\n', 'MANIFEST_INVALID', 'metadata is missing', 'a map', 1, 1],
    [
      'a path as name',
      'apiVersion: v1\nkind: Namespace\nmetadata:\n  name: ../../etc\n',
      'MANIFEST_INVALID',
      'RFC 1123',
      'lower-case',
      4,
      9,
    ],
    [
      'a line break in a name',
      'apiVersion: v1\nkind: Pod\nmetadata:\n  name: "a\\nb"\n',
      'MANIFEST_INVALID',
      'current value "a\\nb"',
      'lower-case',
      4,
      9,
    ],
    [
      'a name of one dot',
      'apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: "."\n',
      'MANIFEST_INVALID',
      'metadata.name',
      'lower-case',
      4,
      9,
    ],
    [
      'a path as namespace',
      'apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\n  namespace: a/b\n',
      'MANIFEST_INVALID',
      'metadata.namespace',
      'lower-case',
      5,
      14,
    ],
    [
      'a namespaced Namespace',
      'apiVersion: v1\nkind: Namespace\nmetadata: {name: n, namespace: x}\n',
      'MANIFEST_INVALID',
      'whole cluster',
      'Remove',
      3,
      32,
    ],
    [
      'a number as label',
      'apiVersion: v1\nkind: Namespace\nmetadata:\n  name: n\n  labels:\n    v: 1\n',
      'MANIFEST_INVALID',
      'metadata.labels.v must be a string: current value 1',
      'quotes: "1"',
      6,
      8,
    ],
    [
      'a bad label key',
      'apiVersion: v1\nkind: Namespace\nmetadata:\n  name: n\n  labels: {"a b": x}\n',
      'MANIFEST_INVALID',
      'metadata.labels["a b"]',
      'NAME',
      5,
      19,
    ],
    [
      'an unknown field',
      'apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec:\n  replica: 2\n  selector: {matchLabels: {a: b}}\n  template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}\n',
      'MANIFEST_INVALID',
      'the field spec.replica is not known: current value 2',
      'Did you mean replicas?',
      5,
      3,
    ],
    [
      'an unknown field far below',
      'apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - name: c\n    image: i\n    securityContext:\n      runasuser: 5\n',
      'MANIFEST_INVALID',
      'spec.containers[0].securityContext.runasuser',
      'Did you mean runAsUser?',
      9,
      7,
    ],
    [
      'a null in a list',
      pod('{containers: [null]}'),
      'MANIFEST_INVALID',
      'spec.containers[0] must be a map: current value null',
      'a map',
      4,
      21,
    ],
    ['no containers', pod('{containers: []}'), 'MANIFEST_INVALID', 'spec.containers must not be empty', 'at least 1', 4, 20],
    ['no image', pod('{containers: [{name: c}]}'), 'MANIFEST_INVALID', 'spec.containers[0].image is missing', 'a string', 4, 21],
    [
      'two containers of one name',
      pod('{containers: [{name: c, image: i}, {name: c, image: i}]}'),
      'MANIFEST_INVALID',
      'containers[1].name is the name of another',
      'own name',
      4,
      49,
    ],
    [
      'port 0',
      container('ports: [{containerPort: 0}]'),
      'MANIFEST_INVALID',
      'containerPort must be at least 1: current value 0',
      'at least 1',
      4,
      65,
    ],
    [
      'port 65536',
      container('ports: [{containerPort: 65536}]'),
      'MANIFEST_INVALID',
      'containerPort must be at most 65535',
      'at most 65535',
      4,
      65,
    ],
    [
      'half a port',
      container('ports: [{containerPort: 1.5}]'),
      'MANIFEST_INVALID',
      'must be a whole number: current value 1.5',
      'whole number',
      4,
      65,
    ],
    [
      'a port in quotes',
      container('ports: [{containerPort: "80"}]'),
      'MANIFEST_INVALID',
      'must be a number: current value "80"',
      'a number',
      4,
      65,
    ],
    [
      'a protocol in small letters',
      container('ports: [{containerPort: 80, protocol: tcp}]'),
      'MANIFEST_INVALID',
      'must be one of TCP, UDP, SCTP',
      'Did you mean TCP?',
      4,
      79,
    ],
    [
      'a number as variable',
      container('env: [{name: A, value: 1}]'),
      'MANIFEST_INVALID',
      'env[0].value must be a string: current value 1',
      'quotes: "1"',
      4,
      64,
    ],
    ['a NUL in an argument', container('args: ["a\\0b"]'), 'MANIFEST_INVALID', 'args[0] must not hold a NUL', 'Remove', 4, 48],
    [
      'a probe of two kinds',
      container('readinessProbe: {tcpSocket: {port: 1}, httpGet: {port: 1}}'),
      'MANIFEST_INVALID',
      'readinessProbe must have exactly one',
      'one way',
      4,
      57,
    ],
    [
      'a Deployment whose selector misses',
      deployment('{selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: c}}, spec: {containers: [{name: c, image: i}]}}}'),
      'MANIFEST_INVALID',
      'spec.selector does not match the labels',
      'spec.template.metadata.labels',
      4,
      18,
    ],
    [
      'a Deployment with an empty selector',
      deployment('{selector: {}, template: {spec: {containers: [{name: c, image: i}]}}}'),
      'MANIFEST_INVALID',
      'spec.selector must not be empty',
      'labels',
      4,
      18,
    ],
    [
      'a Service without ports',
      service('{selector: {a: b}}'),
      'MANIFEST_INVALID',
      'spec.ports must not be empty',
      'at least one port',
      4,
      7,
    ],
    [
      'an ExternalName',
      service('{type: ExternalName, ports: [{port: 80}]}'),
      'MANIFEST_INVALID',
      'spec.type is not supported',
      'ClusterIP',
      4,
      14,
    ],
    [
      'a Service with a port twice',
      service('{ports: [{name: a, port: 80}, {name: b, port: 80}]}'),
      'MANIFEST_INVALID',
      'spec.ports[1].port is given twice',
      'Remove',
      4,
      53,
    ],
    [
      'a Service with ports without names',
      service('{ports: [{port: 80}, {port: 81, name: b}]}'),
      'MANIFEST_INVALID',
      'spec.ports[0].name is missing',
      'Name each port',
      4,
      16,
    ],
    [
      'a bad cluster IP',
      service('{clusterIP: 10.0.0.300, ports: [{port: 80}]}'),
      'MANIFEST_INVALID',
      'spec.clusterIP must be an IP address',
      'Leave it out',
      4,
      19,
    ],
    [
      'a bad target port',
      service('{ports: [{port: 80, targetPort: "8080"}]}'),
      'MANIFEST_INVALID',
      'targetPort must be a port',
      'without quotes',
      4,
      39,
    ],
    ['an alias without anchor', 'a: *x\n', 'MANIFEST_SYNTAX', '*x has no anchor', '&x', 1, 4],
    ['an alias in its own anchor', 'a: &x [*x]\n', 'MANIFEST_SYNTAX', 'inside its own anchor', 'Write', 1, 8],
  ];

  it.each(cases)(
    'parseManifests() says what, where and how to solve it when it meets %s',
    (_name, text, code, message, cure, line, column) => {
      const error = failure(text);
      expect(error.code).toBe(code);
      expect(error.message).toContain(message);
      expect(error.message).toMatch(/^Cannot read /);
      expect(error.cure).toContain(cure);
      expect(error.where).toEqual({ file: 'a.yaml', line, column });
    },
  );

  it('parseManifests() names a misspelt field before it says that the right one is missing', () => {
    const error = failure(container('ports: [{containerport: 80}]'));
    expect(error.message).toContain('ports[0].containerport is not known');
    expect(error.cure).toBe('Did you mean containerPort?');
  });

  it('parseManifests() says our bound when a number is beyond every integer', () => {
    expect(failure(container('ports: [{containerPort: 99999999999999999999}]')).message).toMatch(
      /must be at most 65535: current value 1e?[0-9+]+$/,
    );
  });

  it('parseManifests() throws the first problem and counts the others when there are several', () => {
    const error = failure(`${service('{type: X, ports: [{port: 0}]}')}---\n${pod('{}')}`);
    expect(error.message).toMatch(/spec\.type .* \(and 2 more problems in this file\)$/);
    expect(error.data.count).toBe(3);
    expect(error.data.problems).toMatchObject([
      { line: 4 },
      { line: 4 },
      { line: 9, message: expect.stringContaining('spec.containers is missing') },
    ]);
  });

  it('parseManifests() shows no control characters when a value holds them', () => {
    const error = failure('apiVersion: v1\nkind: "\\e[2J\\x9b\\u202e"\n');
    expect(error.message).toContain('\\u001b[2J\\u009b\\u202e');
  });

  it('parseManifests() names both places when an object is there twice', () => {
    const error = failure(`${service('{ports: [{port: 1}]}')}---\n${service('{ports: [{port: 2}]}')}`);
    expect(error).toMatchObject({ code: 'MANIFEST_DUPLICATE', where: { line: 6, column: 1 } });
    expect(error.message).toContain('a.yaml:1');
  });

  it('parseManifests() accepts one name in two namespaces and for two kinds', () => {
    const text = ['a', 'b'].flatMap((namespace) => [
      `{apiVersion: v1, kind: Pod, metadata: {name: x, namespace: ${namespace}}, spec: {containers: [{name: c, image: i}]}}`,
      `{apiVersion: v1, kind: ServiceAccount, metadata: {name: x, namespace: ${namespace}}}`,
    ]);
    expect(parseManifests(text.join('\n---\n'), 'a').manifests).toHaveLength(4);
  });

  it('parseManifests() throws a UserError or answers, and nothing else, when the text is arbitrary', () => {
    const piece = fc.constantFrom(
      'a',
      ':',
      ' ',
      '\n',
      '- ',
      '{',
      '}',
      '[',
      ']',
      '"',
      '*a',
      '&a ',
      '<<: ',
      '---\n',
      '|',
      '!',
      '#',
      'kind: Pod\n',
      'apiVersion: v1\n',
      '\t',
      '%',
      '\u0000',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        try {
          parseManifests(pieces.join(''), 'f');
        } catch (error) {
          if (!(error instanceof UserError)) throw error;
          expect(error.where?.line).toBeGreaterThanOrEqual(1);
          expect(error.where?.column).toBeGreaterThanOrEqual(1);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('what is accepted', () => {
  it('parseManifests() answers nothing when the text holds no objects', () => {
    for (const text of ['', '# only a comment\n', '---\n---\n', '\ufeff']) expect(parseManifests(text, 'a').manifests).toEqual([]);
  });

  it('parseManifests() opens a List and keeps places when it meets one', () => {
    const text =
      'apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Namespace\n  metadata:\n    name: a\n- apiVersion: v1\n  kind: Namespace\n  metadata:\n    nam: b\n';
    expect(failure(text)).toMatchObject({ where: { line: 11, column: 5 } });
    expect(failure(text).message).toContain('items[1].metadata.nam');
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
    expect(failure(text.replace('containerPort: 1', 'containerPort: 0'))).toMatchObject({ where: { line: 11 } });
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
    const text = pod(
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
      pod(
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
    expect(only(service('{clusterIP: None}'), 'Service')).toMatchObject({ clusterIP: 'None', ports: [], selector: {} });
    expect(only(service('{clusterIP: "FD00::0:1", ports: [{port: 1}]}'), 'Service').clusterIP).toBe('fd00::1');
  });
});

describe('bounds', () => {
  const small = (index: number) => `---\napiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: s${index}\n`;

  it('parseManifests() reads 10,000 documents in a few seconds and refuses one more', { timeout: 60_000 }, () => {
    const text = Array.from({ length: 10_000 }, (_, index) => small(index)).join('');
    const started = performance.now();
    expect(parseManifests(text, 'a').manifests).toHaveLength(10_000);
    expect(performance.now() - started).toBeLessThan(15_000);
    expect(failure(text + small(10_000))).toMatchObject({ code: 'MANIFEST_TOO_LARGE' });
  });

  it('parseManifests() counts the items of a List', { timeout: 60_000 }, () => {
    const items = Array.from({ length: 10_001 }, (_, index) => `- {apiVersion: v1, kind: Namespace, metadata: {name: n${index}}}`).join(
      '\n',
    );
    expect(failure(`apiVersion: v1\nkind: List\nitems:\n${items}\n`)).toMatchObject({
      code: 'MANIFEST_TOO_LARGE',
      where: { line: 10_004 },
    });
  });

  it('parseManifests() refuses more than 16 MiB before it reads them', () => {
    expect(failure(`#${'x'.repeat(16 * 1024 * 1024)}`)).toMatchObject({ code: 'MANIFEST_TOO_LARGE' });
  });

  it('parseManifests() refuses aliases that expand without bound', () => {
    const levels = Array.from(
      { length: 9 },
      (_, level) =>
        `k${level}: &a${level} [${Array(9)
          .fill(level === 0 ? 'x' : `*a${level - 1}`)
          .join(', ')}]`,
    );
    expect(failure(levels.join('\n'))).toMatchObject({ code: 'MANIFEST_SYNTAX', message: expect.stringContaining('expand to more than') });
    const merges = Array.from(
      { length: 40 },
      (_, level) => `k${level}: &a${level} ${level === 0 ? '{x: 1}' : `{<<: [*a${level - 1}, *a${level - 1}]}`}`,
    );
    expect(failure(merges.join('\n')).message).toContain('expand to more than');
  });

  it('parseManifests() refuses what is nested without end', () => {
    for (const text of ['['.repeat(50_000), '- '.repeat(50_000), `${'['.repeat(150)}${']'.repeat(150)}`]) {
      expect(failure(text)).toMatchObject({ code: 'MANIFEST_SYNTAX', message: expect.stringContaining('nested too deeply') });
    }
  });

  it('parseManifests() reads a map of 50,000 fields in linear time', { timeout: 30_000 }, () => {
    const text = Array.from({ length: 50_000 }, (_, index) => `k${index}: 1`).join('\n');
    const started = performance.now();
    expect(failure(text).code).toBe('MANIFEST_INVALID');
    expect(performance.now() - started).toBeLessThan(10_000);
  });
});
