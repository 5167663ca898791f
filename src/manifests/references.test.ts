import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadManifestFiles } from './load.ts';
import { nearName } from './near-name.ts';
import { parseManifests } from './parse.ts';
import { checkReferences } from './references.ts';
import { sampleFiles, sampleNamespace } from './sample-files.ts';
import { matchesSelector, policySelects, serviceSelects } from './selectors.ts';

const root = new URL('../../', import.meta.url).pathname;
const messages = (text: string) => checkReferences(parseManifests(text, 'a').manifests).map(({ message }) => message);

describe('references', () => {
  it('checkReferences() has nothing to say when all is there', async () => {
    const { manifests } = await loadManifestFiles(
      sampleFiles.map((file) => join(root, file)),
      { defaultNamespace: sampleNamespace },
    );
    expect(manifests).toHaveLength(9);
    expect(checkReferences(manifests)).toEqual([]);
  });

  it('checkReferences() names the namespace once and each account when they are not declared', () => {
    const pod = (name: string) =>
      `{apiVersion: v1, kind: Pod, metadata: {name: ${name}, namespace: x}, spec: {serviceAccountName: sa, containers: [{name: c, image: i}]}}`;
    const found = messages(`${pod('a')}\n---\n${pod('b')}`);
    expect(found).toEqual([
      expect.stringContaining('Namespace x of Pod x/a is not declared'),
      'ServiceAccount x/sa of Pod x/a is not declared',
      'ServiceAccount x/sa of Pod x/b is not declared',
    ]);
  });

  it('checkReferences() tells of Services and policies that select nothing', () => {
    const objects = [
      '{apiVersion: v1, kind: Pod, metadata: {name: a, labels: {app: a}}, spec: {containers: [{name: c, image: i, ports: [{name: web, containerPort: 1}]}]}}',
      '{apiVersion: v1, kind: Service, metadata: {name: ok}, spec: {selector: {app: a}, ports: [{port: 1, targetPort: web}]}}',
      '{apiVersion: v1, kind: Service, metadata: {name: none}, spec: {selector: {app: b}, ports: [{port: 1}]}}',
      '{apiVersion: v1, kind: Service, metadata: {name: bare}, spec: {ports: [{port: 1}]}}',
      '{apiVersion: v1, kind: Service, metadata: {name: port}, spec: {selector: {app: a}, ports: [{port: 1, targetPort: wbe}]}}',
      '{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: ok}, spec: {selector: {matchLabels: {app: a}}}}',
      '{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: none}, spec: {selector: {matchLabels: {app: b}}}}',
      '{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: away, namespace: elsewhere}}',
      '{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {name: mesh, namespace: istio-system}, spec: {selector: {matchLabels: {app: a}}}}',
    ];
    expect(messages(objects.join('\n---\n'))).toEqual([
      'Service default/none selects no pod',
      'Service default/bare has no selector, so it has no endpoints',
      'Service default/port has targetPort wbe, which no container of its pods names',
      'AuthorizationPolicy default/none selects no pod',
      'AuthorizationPolicy elsewhere/away selects no pod',
    ]);
  });
});

describe('selectors', () => {
  it.each([
    ['In', ['a', 'b'], true, false],
    ['In', ['b'], false, false],
    ['NotIn', ['b'], true, true],
    ['NotIn', ['a'], false, true],
    ['Exists', [], true, false],
    ['DoesNotExist', [], false, true],
  ] as const)('matchesSelector() compares as Kubernetes when the operator is %s of %j', (operator, values, withLabel, without) => {
    const selector = { matchLabels: {}, matchExpressions: [{ key: 'k', operator, values }] };
    expect(matchesSelector({ k: 'a' }, selector)).toBe(withLabel);
    expect(matchesSelector({}, selector)).toBe(without);
  });

  it('empty selectors select as each kind has it', () => {
    expect(matchesSelector({}, { matchLabels: {}, matchExpressions: [] })).toBe(true);
    expect(serviceSelects({}, { a: 'b' })).toBe(false);
    expect(policySelects(null, {})).toBe(true);
    expect(policySelects({ a: 'b' }, { a: 'b', c: 'd' })).toBe(true);
    expect(policySelects({ constructor: 'x' }, {})).toBe(false);
    expect(matchesSelector({}, { matchLabels: {}, matchExpressions: [{ key: 'constructor', operator: 'Exists', values: [] }] })).toBe(
      false,
    );
  });

  it('nearName() finds what was meant and nothing far away', () => {
    expect(nearName('contaniers', ['containers', 'initContainers'])).toBe('containers');
    expect(nearName('ServiceAcount', ['Service', 'ServiceAccount'])).toBe('ServiceAccount');
    expect(nearName('zebra', ['containers', 'image'])).toBeNull();
  });
});

describe('files', () => {
  let directory = '';
  const object = (name: string) => `apiVersion: v1\nkind: Namespace\nmetadata: {name: ${name}}\n`;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'millrace-load-'));
    await writeFile(join(directory, 'b.yaml'), object('b'));
    await writeFile(join(directory, 'a.yml'), object('a'));
    await writeFile(join(directory, 'notes.txt'), 'not yaml: [');
  });
  afterAll(() => rm(directory, { recursive: true }));

  it('loadManifestFiles() reads a directory by name and standard input', async () => {
    const stdin = Readable.from([Buffer.from(object('c').slice(0, 10)), Buffer.from(object('c').slice(10))]);
    const { manifests } = await loadManifestFiles([directory, '-'], { stdin });
    expect(manifests.map(({ metadata, position }) => [metadata.name, position.file])).toEqual([
      ['a', join(directory, 'a.yml')],
      ['b', join(directory, 'b.yaml')],
      ['c', 'standard input'],
    ]);
  });

  it('loadManifestFiles() refuses an object that two files hold', async () => {
    const error = await loadManifestFiles([join(directory, 'b.yaml'), '-'], { stdin: Readable.from([object('b')]) }).catch(
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({ code: 'MANIFEST_DUPLICATE', where: { file: 'standard input', line: 1, column: 1 } });
  });

  it.each([
    ['/nonexistent/x.yaml', 'FILE_UNREADABLE', 'there is no such file'],
    ['https://example.com/x.yaml', 'FILE_UNREADABLE', 'it is a URL'],
    ['/dev/zero', 'MANIFEST_TOO_LARGE', 'limited to'],
  ])('loadManifestFiles() refuses %s', async (path, code, message) => {
    await expect(loadManifestFiles([path])).rejects.toMatchObject({ code, message: expect.stringContaining(message) });
  });

  it('loadManifestFiles() refuses an empty directory, a second -, and bytes that are not UTF-8', async () => {
    const empty = await mkdtemp(join(tmpdir(), 'millrace-load-'));
    await expect(loadManifestFiles([empty])).rejects.toMatchObject({ code: 'FILE_UNREADABLE' });
    await rm(empty, { recursive: true });
    await expect(loadManifestFiles(['-', '-'])).rejects.toMatchObject({ code: 'FILE_UNREADABLE' });
    await expect(loadManifestFiles(['-'], { stdin: Readable.from([Buffer.of(0x61, 0xff)]) })).rejects.toMatchObject({
      code: 'MANIFEST_SYNTAX',
    });
  });

  it('loadManifestFiles() rejects with the reason when it is aborted', async () => {
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(loadManifestFiles([directory], { signal })).rejects.toThrow('enough');
  });
});
