import { expect, test } from 'vitest';
import type { Container } from '../../manifests/types.ts';
import type { MachinePrograms } from './image.ts';
import { containerProgram } from './program.ts';

const machine: MachinePrograms = { node: '/n/node', dist: '/d', curl: '/usr/bin/curl', postgres: '/pg/bin', fortio: null };

function run(rest: Partial<Container>) {
  const container: Container = {
    name: 'c',
    image: 'curlimages/curl',
    command: null,
    args: null,
    env: [],
    ports: [],
    workingDir: null,
    runAsUser: null,
    runAsGroup: null,
    readinessProbe: null,
    livenessProbe: null,
    position: { file: 'f', line: 1, column: 1 },
    ...rest,
  };
  return containerProgram(container, 'pod-1', machine);
}

test('containerProgram() runs the command alone when the manifest gives one', () => {
  expect(run({ command: ['/bin/sleep'], args: ['3650d'] })).toMatchObject({
    argv: ['/bin/sleep', '3650d'],
    uid: 100,
    prepare: null,
    readiness: null,
  });
});

test.each([
  [null, ['/usr/bin/curl']],
  [
    ['-s', 'x'],
    ['/usr/bin/curl', '-s', 'x'],
  ],
  [
    ['sleep', '1'],
    ['sleep', '1'],
  ],
])('containerProgram() treats args %j of the curl image as its entry point does', (args, argv) => {
  expect(run({ args }).argv).toEqual(argv);
});

test('containerProgram() starts a prepared PostgreSQL with its variables when the image is postgres', () => {
  const program = run({
    image: 'postgres:14',
    args: ['postgres', '-c', 'max_connections=7'],
    env: [{ name: 'POSTGRES_PASSWORD', value: 'x' }],
  });
  expect(program.argv[0]).toBe('/pg/bin/postgres');
  expect(program.argv.slice(-2)).toEqual(['-c', 'max_connections=7']);
  expect(program.argv.filter((word) => word === 'postgres')).toEqual([]);
  expect(program).toMatchObject({ uid: 999, gid: 999, stopSignal: 'SIGINT', env: { POSTGRES_PASSWORD: 'x', PGBIN: '/pg/bin' } });
  expect(program.prepare).not.toBeNull();
});

test.each([
  ['kennethreitz/httpbin', [], 80],
  ['mccutchen/go-httpbin:v2', [], 8080],
  ['mccutchen/go-httpbin', [{ name: 'PORT', value: '9000' }], 9000],
] as const)('containerProgram() of %s with %j listens on %i', (image, env, port) => {
  const program = run({ image, env });
  expect(program.argv.slice(-2)).toEqual(['--port', String(port)]);
  expect(program.readiness?.action).toEqual({ kind: 'tcpSocket', port });
});

test('containerProgram() uses the manifest user, and group 0 without a group, as Kubernetes does', () => {
  expect(run({ runAsUser: 5000 })).toMatchObject({ uid: 5000, gid: 0 });
  expect(run({ runAsUser: 5000, runAsGroup: 6000 })).toMatchObject({ uid: 5000, gid: 6000 });
});

test('containerProgram() throws MACHINE_MISSING_PROGRAM when the machine lacks the program', () => {
  expect(() => run({ image: 'fortio/fortio' })).toThrow(expect.objectContaining({ code: 'MACHINE_MISSING_PROGRAM', exitCode: 3 }));
});
