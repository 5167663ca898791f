import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launcherPath } from '../../src/base/project.ts';
import { stopLab } from '../../src/lab/stop.ts';
import { tracesOf } from '../support/instance-traces.ts';
import { millrace, runProcess } from '../support/run-process.ts';
import { instanceName, TestLab } from '../support/test-lab.ts';

const instance = instanceName('bad');
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'e2e-bad-'));
});

afterAll(async () => {
  rmSync(folder, { recursive: true });
  await stopLab(instance);
});

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const pod = (metadata: string, container = '{ name: c, image: busybox, command: [sleep, "1"] }') =>
  `apiVersion: v1\nkind: Pod\nmetadata: ${metadata}\nspec:\n  containers:\n  - ${container}\n`;

describe('lab up refuses, with the place in the file, and starts nothing', () => {
  it.each([
    ['broken YAML', 'apiVersion: v1\nkind: [Pod\nmetadata:\n', 'MANIFEST_SYNTAX', /:\d+:\d+$/, /YAML is broken/],
    ['an indentation by tab', 'apiVersion: v1\nkind: Pod\nmetadata:\n\tname: x\n', 'MANIFEST_SYNTAX', /:4:\d+$/, /YAML is broken/],
    [
      'an unknown kind',
      'apiVersion: v1\nkind: Teapot\nmetadata: { name: x }\n',
      'MANIFEST_UNKNOWN_KIND',
      /:2:7$/,
      /current value "Teapot"/,
    ],
    [
      'a misspelt field',
      'apiVersion: v1\nkind: Service\nmetadata: { name: x }\nspec:\n  sellector: { app: x }\n  ports: [{ port: 80 }]\n',
      'MANIFEST_INVALID',
      /:5:3$/,
      /spec\.sellector is not known/,
    ],
    ['two pods with one name', `${pod('{ name: x }')}---\n${pod('{ name: x }')}`, 'MANIFEST_DUPLICATE', /:8:1$/, /same object is at .*:1:/],
    [
      'a port out of range',
      'apiVersion: v1\nkind: Service\nmetadata: { name: x }\nspec:\n  ports:\n  - port: 70000\n',
      'MANIFEST_INVALID',
      /:6:\d+$/,
      /current value 70000/,
    ],
    ['a name that climbs out of its folder', pod('{ name: ../../etc }'), 'MANIFEST_INVALID', /:3:\d+$/, /RFC 1123 subdomain/],
    ['a name with a line feed', pod('{ name: "a\\nb" }'), 'MANIFEST_INVALID', /:3:\d+$/, /current value "a\\nb"/],
    ['a namespace with a slash', pod('{ name: x, namespace: a/b }'), 'MANIFEST_INVALID', /:3:\d+$/, /current value "a\/b"/],
    [
      'a container name with quotes',
      pod('{ name: x }', `{ name: "a'b", image: busybox }`),
      'MANIFEST_INVALID',
      /:6:\d+$/,
      /current value "a'b"/,
    ],
    [
      'an unknown image',
      pod('{ name: x }', '{ name: c, image: "redis:7" }'),
      'IMAGE_UNKNOWN',
      /:6:\d+$/,
      /no program for its image: redis:7/,
    ],
  ])('%s', async (_what, text, code, place, message) => {
    const path = file('input.yaml', text);
    const { status, stdout, stderr } = await millrace(['lab', 'up', '--instance', instance, '-f', path]);
    const where = /^ {2}where {4}(.*)$/m.exec(stderr)?.[1] ?? 'no place';
    expect({ status, stdout, code: /^ {2}code {5}(\S+)/m.exec(stderr)?.[1] }).toEqual({ status: 1, stdout: '', code });
    expect(where).toMatch(place);
    expect(where.startsWith(path)).toBe(true);
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/\n\s+at .*\(/);
    expect(tracesOf(instance)).toEqual([]);
  });

  it('an unknown image shows the table of those that are known', async () => {
    const path = file('image.yaml', pod('{ name: x }', '{ name: c, image: "redis:7" }'));
    const { stderr } = await millrace(['lab', 'up', '--instance', instance, '-f', path]);
    for (const image of ['curlimages/curl', 'kennethreitz/httpbin', 'postgres', 'fortio/fortio', 'millrace.io/host'])
      expect(stderr).toContain(image);
  });

  it('a file that is not there, and one in JSON errors for machines', async () => {
    const { status, stderr } = await millrace(['lab', 'up', '--instance', instance, '-f', join(folder, 'missing.yaml')]);
    expect({ status, code: /code {5}(\S+)/.exec(stderr)?.[1] }).toEqual({ status: 1, code: 'FILE_UNREADABLE' });
  });

  it('more than 10,000 documents, at once; 10,000 are taken', async () => {
    const documents = (count: number) =>
      Array.from({ length: count }, (_, number) => `apiVersion: v1\nkind: Namespace\nmetadata: { name: n${number} }\n`).join('---\n');
    const up = (count: number) =>
      millrace(['lab', 'up', '--instance', instance, '--redirect', 'none', '-f', file('many.yaml', documents(count))]);
    const started = performance.now();
    const { status, stderr } = await up(10_001);
    expect({ status, code: /code {5}(\S+)/.exec(stderr)?.[1] }).toEqual({ status: 1, code: 'MANIFEST_TOO_LARGE' });
    expect(performance.now() - started).toBeLessThan(10_000);
    expect(await up(10_000)).toMatchObject({ status: 0, stdout: expect.stringContaining('is ready: 0 pods') });
    await stopLab(instance);
  });
});

describe('a file without objects', () => {
  it.each([['apply'], ['delete'], ['up']])('is refused by lab %s', async (verb) => {
    const { status, stderr } = await millrace(['lab', verb, '--instance', instance, '-f', file('empty.yaml', '# nothing\n')]);
    expect({ status, code: /code {5}(\S+)/.exec(stderr)?.[1] }).toEqual({ status: 1, code: 'MANIFEST_INVALID' });
    expect(stderr).toContain('because the files hold none');
    expect(tracesOf(instance)).toEqual([]);
  });
});

describe('the command line', () => {
  it.each([
    ['an instance that is a path', ['lab', 'up', '--instance', '../x']],
    ['an unknown back end', ['lab', 'up', '--redirect', 'magic']],
    ['an unknown option', ['lab', 'up', '--nodes-of-mine', '3']],
    ['a life that is too short', ['lab', 'up', '--cert-ttl', '0']],
    ['no file', ['lab', 'apply']],
    ['an unknown command', ['lab', 'dance']],
  ])('refuses %s with exit code 2', async (_what, args) => {
    const { status, stdout, stderr } = await millrace(args);
    expect({ status, stdout, code: /code {5}(\S+)/.exec(stderr)?.[1] }).toEqual({ status: 2, stdout: '', code: 'USAGE' });
  });

  it.each([
    ['keys that nobody knows', 'colour: red\n', /Unrecognized key/],
    ['another type', 'stats: maybe\n', /stats/],
    ['a path that is none', 'cgroup: pods\n', /cgroup/],
    ['no YAML', 'a: [\n', /not YAML/],
  ])('refuses an agent configuration with %s', async (_what, text, message) => {
    const { status, stderr } = await millrace(['agent', '--instance', instance, '--config', file('agent.yaml', text)]);
    expect(status).toBe(2);
    expect(stderr).toMatch(message);
    expect(tracesOf(instance)).toEqual([]);
  });
});

describe('a machine that cannot', () => {
  it.each([['lab', 'up'], ['lab', 'down'], ['demo'], ['agent']])('is told by %s %s: no root', async (...words) => {
    // The right to read stays, so that the project may lie in a folder of root's.
    const user = ['--reuid', '1000', '--regid', '1000', '--clear-groups', '--inh-caps=+dac_override', '--ambient-caps=+dac_override'];
    const { status, stderr } = await runProcess('setpriv', [...user, '--', launcherPath(), ...words, '--instance', instance]);
    expect({ status, code: /code {5}(\S+)/.exec(stderr)?.[1] }).toEqual({ status: 3, code: 'MACHINE_NOT_ROOT' });
    expect(stderr).toContain('current uid 1000');
  });

  it.each([['lab', 'up'], ['demo']])('is told by %s %s: no Envoy', async (...words) => {
    const { status, stderr } = await millrace([...words, '--instance', instance], { env: { MILLRACE_ENVOY: '/nonexistent' } });
    expect({ status, code: /code {5}(\S+)/.exec(stderr)?.[1] }).toEqual({ status: 3, code: 'MACHINE_MISSING_PROGRAM' });
    expect(stderr).toContain('/nonexistent');
    expect(tracesOf(instance)).toEqual([]);
  });

  it('goes without Envoy where nothing is redirected', async () => {
    const up = [
      'lab',
      'up',
      '--instance',
      instance,
      '--redirect',
      'none',
      '-f',
      file('one.yaml', pod('{ name: x }', '{ name: c, image: busybox, command: [sleep, "100"] }')),
    ];
    expect(await millrace(up, { env: { MILLRACE_ENVOY: '/nonexistent' } })).toMatchObject({ status: 0 });
    await stopLab(instance);
  });

  it('has no PostgreSQL: the pod says so, and the others run', async () => {
    // Hidden in a mount namespace of this lab's own.
    const hide = `set -eu
[ ! -d /usr/lib/postgresql ] || mount -t tmpfs tmpfs /usr/lib/postgresql
exec "$@"`;
    const args = ['--mount', '--', 'sh', '-c', hide, 'sh', launcherPath(), 'lab', 'up', '--instance', instance];
    const { status, stderr } = await runProcess('unshare', args);
    expect({ status, code: /code {5}(\S+)/.exec(stderr)?.[1] }).toEqual({ status: 1, code: 'LAB_NOT_READY' });
    expect(stderr).toMatch(/the machine has no PostgreSQL server/);
    const lab = new TestLab(instance);
    const pods = await lab.client.pods();
    expect(pods.find(({ owner }) => owner === 'sensitive-db')).toMatchObject({ phase: 'Failed' });
    await expect.poll(() => lab.status('deploy/sleep', 'http://httpbin:8000/ip').catch(String), { timeout: 20_000 }).toBe('200');
    expect(await lab.cli('down')).toMatchObject({ status: 0 });
    expect(tracesOf(instance)).toEqual([]);
  });
});
