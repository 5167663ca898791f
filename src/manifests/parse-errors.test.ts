import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { containerText, deploymentText, manifestFailure, podText, serviceText } from '../../test/support/manifest-text.ts';
import { UserError } from '../base/errors.ts';
import { parseManifests } from './parse.ts';

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
      podText('{containers: [null]}'),
      'MANIFEST_INVALID',
      'spec.containers[0] must be a map: current value null',
      'a map',
      4,
      21,
    ],
    ['no containers', podText('{containers: []}'), 'MANIFEST_INVALID', 'spec.containers must not be empty', 'at least 1', 4, 20],
    ['no image', podText('{containers: [{name: c}]}'), 'MANIFEST_INVALID', 'spec.containers[0].image is missing', 'a string', 4, 21],
    [
      'two containers of one name',
      podText('{containers: [{name: c, image: i}, {name: c, image: i}]}'),
      'MANIFEST_INVALID',
      'containers[1].name is the name of another',
      'own name',
      4,
      49,
    ],
    [
      'port 0',
      containerText('ports: [{containerPort: 0}]'),
      'MANIFEST_INVALID',
      'containerPort must be at least 1: current value 0',
      'at least 1',
      4,
      65,
    ],
    [
      'port 65536',
      containerText('ports: [{containerPort: 65536}]'),
      'MANIFEST_INVALID',
      'containerPort must be at most 65535',
      'at most 65535',
      4,
      65,
    ],
    [
      'half a port',
      containerText('ports: [{containerPort: 1.5}]'),
      'MANIFEST_INVALID',
      'must be a whole number: current value 1.5',
      'whole number',
      4,
      65,
    ],
    [
      'a port in quotes',
      containerText('ports: [{containerPort: "80"}]'),
      'MANIFEST_INVALID',
      'must be a number: current value "80"',
      'a number',
      4,
      65,
    ],
    [
      'a protocol in small letters',
      containerText('ports: [{containerPort: 80, protocol: tcp}]'),
      'MANIFEST_INVALID',
      'must be one of TCP, UDP, SCTP',
      'Did you mean TCP?',
      4,
      79,
    ],
    [
      'a number as variable',
      containerText('env: [{name: A, value: 1}]'),
      'MANIFEST_INVALID',
      'env[0].value must be a string: current value 1',
      'quotes: "1"',
      4,
      64,
    ],
    ['a NUL in an argument', containerText('args: ["a\\0b"]'), 'MANIFEST_INVALID', 'args[0] must not hold a NUL', 'Remove', 4, 48],
    [
      'a probe of two kinds',
      containerText('readinessProbe: {tcpSocket: {port: 1}, httpGet: {port: 1}}'),
      'MANIFEST_INVALID',
      'readinessProbe must have exactly one',
      'one way',
      4,
      57,
    ],
    [
      'a Deployment whose selector misses',
      deploymentText(
        '{selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: c}}, spec: {containers: [{name: c, image: i}]}}}',
      ),
      'MANIFEST_INVALID',
      'spec.selector does not match the labels',
      'spec.template.metadata.labels',
      4,
      18,
    ],
    [
      'a Deployment with an empty selector',
      deploymentText('{selector: {}, template: {spec: {containers: [{name: c, image: i}]}}}'),
      'MANIFEST_INVALID',
      'spec.selector must not be empty',
      'labels',
      4,
      18,
    ],
    [
      'a Service without ports',
      serviceText('{selector: {a: b}}'),
      'MANIFEST_INVALID',
      'spec.ports must not be empty',
      'at least one port',
      4,
      7,
    ],
    [
      'an ExternalName',
      serviceText('{type: ExternalName, ports: [{port: 80}]}'),
      'MANIFEST_INVALID',
      'spec.type is not supported',
      'ClusterIP',
      4,
      14,
    ],
    [
      'a Service with a port twice',
      serviceText('{ports: [{name: a, port: 80}, {name: b, port: 80}]}'),
      'MANIFEST_INVALID',
      'spec.ports[1].port is given twice',
      'Remove',
      4,
      53,
    ],
    [
      'a Service with ports without names',
      serviceText('{ports: [{port: 80}, {port: 81, name: b}]}'),
      'MANIFEST_INVALID',
      'spec.ports[0].name is missing',
      'Name each port',
      4,
      16,
    ],
    [
      'a bad cluster IP',
      serviceText('{clusterIP: 10.0.0.300, ports: [{port: 80}]}'),
      'MANIFEST_INVALID',
      'spec.clusterIP must be an IP address',
      'Leave it out',
      4,
      19,
    ],
    [
      'a bad target port',
      serviceText('{ports: [{port: 80, targetPort: "8080"}]}'),
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
      const error = manifestFailure(text);
      expect(error.code).toBe(code);
      expect(error.message).toContain(message);
      expect(error.message).toMatch(/^Cannot read /);
      expect(error.cure).toContain(cure);
      expect(error.where).toEqual({ file: 'a.yaml', line, column });
    },
  );

  it('parseManifests() names a misspelt field before it says that the right one is missing', () => {
    const error = manifestFailure(containerText('ports: [{containerport: 80}]'));
    expect(error.message).toContain('ports[0].containerport is not known');
    expect(error.cure).toBe('Did you mean containerPort?');
  });

  it('parseManifests() says our bound when a number is beyond every integer', () => {
    expect(manifestFailure(containerText('ports: [{containerPort: 99999999999999999999}]')).message).toMatch(
      /must be at most 65535: current value 1e?[0-9+]+$/,
    );
  });

  it('parseManifests() throws the first problem and counts the others when there are several', () => {
    const error = manifestFailure(`${serviceText('{type: X, ports: [{port: 0}]}')}---\n${podText('{}')}`);
    expect(error.message).toMatch(/spec\.type .* \(and 2 more problems in this file\)$/);
    expect(error.data.count).toBe(3);
    expect(error.data.problems).toMatchObject([
      { line: 4 },
      { line: 4 },
      { line: 9, message: expect.stringContaining('spec.containers is missing') },
    ]);
  });

  it('parseManifests() shows no control characters when a value holds them', () => {
    const error = manifestFailure('apiVersion: v1\nkind: "\\e[2J\\x9b\\u202e"\n');
    expect(error.message).toContain('\\u001b[2J\\u009b\\u202e');
  });

  it('parseManifests() names both places when an object is there twice', () => {
    const error = manifestFailure(`${serviceText('{ports: [{port: 1}]}')}---\n${serviceText('{ports: [{port: 2}]}')}`);
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
