import { spawnSync } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Scratch } from '../../../test/support/scratch-kernel.ts';
import { scratchCgroup } from '../../../test/support/scratch-kernel.ts';
import { createCgroup, killCgroup } from '../../kernel/index.ts';
import type { Holder } from '../node/holder.ts';
import { startHolder } from '../node/holder.ts';
import type { ContainerOptions } from './container.ts';
import { Container } from './container.ts';
import { etcFiles } from './etc.ts';
import { execCommand } from './exec-command.ts';

const signal = new AbortController().signal;
let scratch: Scratch;
let holder: Holder;
let folder: string;
let container: Container | null;

beforeEach(async () => {
  scratch = scratchCgroup();
  folder = mkdtempSync(join(tmpdir(), 'millrace-container-'));
  const batch = 'link set lo up\n';
  holder = await startHolder(
    { hostname: 'pod-1', cgroup: createCgroup(join(scratch.path, 'holder')), sysctls: {}, batch, other: null },
    signal,
  );
  createCgroup(join(scratch.path, 'c'));
  for (const name of ['etc', 'volume']) mkdirSync(join(folder, name), { recursive: true });
  chownSync(join(folder, 'volume'), 1000, 1000);
  const files = etcFiles({
    hostname: 'pod-1',
    addresses: ['10.244.0.2'],
    resolvConf: 'nameserver 10.96.0.10\n',
    users: [{ uid: 1000, gid: 1000 }],
  });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, 'etc', name), text);
  container = null;
});

afterEach(async () => {
  await container?.stop(0);
  await holder.close();
  await killCgroup(scratch.path);
  scratch[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

const sandboxOf = (user = { uid: 1000, gid: 1000 }) => ({
  cgroup: join(scratch.path, 'c'),
  holderPid: holder.pid,
  etc: join(folder, 'etc'),
  volume: join(folder, 'volume'),
  mounts: [{ name: 'tool', path: '/bin/sh' }],
  visible: [],
  user,
  cwd: '/',
  env: { PATH: '/usr/bin:/bin', GIVEN: 'yes' },
});

function start(script: string, rest: Partial<ContainerOptions> = {}): Container {
  container = new Container({
    name: 'c',
    sandbox: sandboxOf(),
    argv: ['/bin/sh', '-c', script],
    prepare: null,
    stopSignal: 'SIGTERM',
    restartPolicy: 'Never',
    readinessProbe: null,
    livenessProbe: null,
    ports: [],
    probe: { netns: holder.netns, address: '127.0.0.1', command: () => null },
    logFile: join(folder, 'logs', 'c.log'),
    gate: Promise.resolve(),
    onChange: () => {},
    onKillFailed: (error) => {
      throw error;
    },
    ...rest,
  });
  return container;
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`not in time: ${log()}`);
    await delay(10);
  }
}

function log(): string {
  const path = join(folder, 'logs', 'c.log');
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

const ended = (each: Container) => () => each.condition.state.kind === 'ended';

test('a container has its own user, names, folders and environment, and cannot change the machine', async () => {
  const script = [
    'id -u; id -g; whoami; hostname; cat /etc/resolv.conf; echo $GIVEN $HOME',
    'test -e /run/millrace && echo sees run; ls /run; touch /tmp/x /run/volume/y && echo wrote own',
    'touch /etc/x /usr/x 2>/dev/null || echo machine is read-only; grep -h CapEff /proc/self/status; /run/programs/tool -c "echo mounted"',
    'readlink /proc/self/ns/net; cat /proc/self/cgroup',
  ].join('\n');
  const each = start(script, { sandbox: { ...sandboxOf(), env: { ...sandboxOf().env, HOME: '/tmp' } } });
  await until(ended(each));
  const text = log();
  expect(text).toContain('1000\n1000\napp-1000\npod-1\nnameserver 10.96.0.10\nyes /tmp\n');
  expect(text).toContain('wrote own\nmachine is read-only\nCapEff:\t0000000000000000\nmounted\n');
  expect(text).not.toContain('sees run');
  expect(text).toContain('/c\n');
  expect(existsSync(join(folder, 'volume', 'y'))).toBe(true);
  expect(existsSync('/etc/x')).toBe(false);
});

test('root in a container cannot change sysctls, devices or the files of the machine', async () => {
  const sandbox = sandboxOf({ uid: 0, gid: 0 });
  const script =
    'for f in /proc/sys/kernel/hostname /etc/x /usr/x; do (echo x > $f) 2>/dev/null && echo wrote $f; done; mknod /tmp/d c 1 3 2>&1; mount -t tmpfs x /tmp 2>&1; true';
  const each = start(script, { sandbox });
  await until(ended(each));
  expect(log()).not.toContain('wrote');
  expect(log()).toMatch(/mknod.*not permitted/);
  expect(log()).toMatch(/mount.*(permission|must be superuser)/i);
});

test('a container that fails is started again with growing waits, and its exit code is kept', async () => {
  const each = start('echo run; exit 3', { restartPolicy: 'Always' });
  await until(() => each.condition.restarts >= 2);
  expect(each.condition.lastExit).toEqual({ exitCode: 3, signal: null });
  await until(() => each.condition.state.kind === 'waiting' && each.condition.state.reason === 'CrashLoopBackOff');
  expect(log().split('run\n').length - 1).toBeGreaterThanOrEqual(2);
  expect(each.condition.ready).toBe(false);
});

test('a container is prepared once, before its gate, and starts after it', async () => {
  let open = () => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  const each = start('cat /run/volume/p; echo main', { prepare: ['/bin/sh', '-c', 'echo prepared > /run/volume/p'], gate });
  await until(() => each.condition.state.kind === 'waiting' && each.condition.state.reason === 'ProxyStarting');
  expect(log()).toBe('');
  open();
  await until(ended(each));
  expect(log()).toBe('prepared\nmain\n');
});

test('readiness follows an exec probe, and execCommand() runs inside the container with its user', async () => {
  const probe = { initialDelaySeconds: 0, periodSeconds: 1, timeoutSeconds: 2, successThreshold: 1, failureThreshold: 1 };
  const each: Container = start('sleep 100', {
    readinessProbe: { ...probe, action: { kind: 'exec', command: ['test', '-e', '/run/volume/up'] } },
    probe: { netns: holder.netns, address: '127.0.0.1', command: (argv) => enter(each, argv) },
  });
  await until(() => each.condition.state.kind === 'running');
  await delay(300);
  expect(each.condition.ready).toBe(false);
  const [program = '', ...args] = enter(each, ['/bin/sh', '-c', 'touch /run/volume/up; id -u; hostname; exit 7']) ?? [];
  const result = spawnSync(program, args, { encoding: 'utf8' });
  expect([result.stdout, result.status]).toEqual(['1000\npod-1\n', 7]);
  await until(() => each.condition.ready);
});

function enter(each: Container, argv: readonly string[]): readonly string[] | null {
  const { state } = each.condition;
  return state.kind === 'running' ? execCommand({ ...sandboxOf(), uid: 1000, gid: 1000, pid: state.pid }, argv) : null;
}

test('a container whose liveness probe fails is killed and started again', async () => {
  const action = { kind: 'tcpSocket', port: 9 } as const;
  const livenessProbe = { action, initialDelaySeconds: 1, periodSeconds: 1, timeoutSeconds: 1, successThreshold: 1, failureThreshold: 1 };
  const each = start('sleep 100', { livenessProbe, restartPolicy: 'Always' });
  await until(() => each.condition.restarts === 1);
  expect(each.condition.lastExit).toEqual({ exitCode: 137, signal: 'SIGKILL' });
});

test('stop() ends a process that ignores the polite signal, and everything it started', async () => {
  const each = start("trap '' TERM; sleep 100 & echo up; while :; do sleep 1; done");
  await until(() => log().includes('up'));
  const began = performance.now();
  await each.stop(200);
  expect(performance.now() - began).toBeLessThan(3000);
  expect(readFileSync(join(scratch.path, 'c', 'cgroup.procs'), 'utf8')).toBe('');
});
