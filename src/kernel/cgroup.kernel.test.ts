import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { scratchBpffs, scratchCgroup } from '../../test/support/scratch-kernel.ts';
import { cgroupId, cgroupPopulated, cgroupProcesses, createCgroup, findCgroup2, killCgroup, moveToCgroup, removeCgroup } from './cgroup.ts';
import { isBpffs, mountBpffs, unmount } from './mount.ts';

/** A shell that ignores SIGTERM, and the child it starts, both in the cgroup. */
async function settle(cgroup: string): Promise<{ child: ChildProcess; ended: Promise<NodeJS.Signals | null> }> {
  // It waits for a line, so that its own child is born inside too.
  const child = spawn('/bin/sh', ['-c', 'trap "" TERM; read line; sleep 600 & wait'], { stdio: ['pipe', 'ignore', 'ignore'] });
  const ended = new Promise<NodeJS.Signals | null>((resolve) => child.once('exit', (_code, signal) => resolve(signal)));
  moveToCgroup(cgroup, child.pid ?? 0);
  child.stdin.write('go\n');
  await expect.poll(() => cgroupProcesses(cgroup).length).toBe(2);
  return { child, ended };
}

test('killCgroup() ends everything below, waits, and leaves a tree that can be removed', async () => {
  using cgroup = scratchCgroup();
  const inner = createCgroup(join(cgroup.path, 'a', 'b'));
  const { child, ended } = await settle(inner);
  expect(cgroupProcesses(cgroup.path)).toContain(child.pid);
  expect(cgroupPopulated(cgroup.path)).toBe(true);
  expect(() => removeCgroup(cgroup.path)).toThrow('EBUSY');
  await killCgroup(cgroup.path);
  expect(await ended).toBe('SIGKILL');
  expect(cgroupProcesses(cgroup.path)).toEqual([]);
  expect(cgroupPopulated(cgroup.path)).toBe(false);
  removeCgroup(cgroup.path);
  expect(existsSync(cgroup.path)).toBe(false);
  removeCgroup(cgroup.path);
  await killCgroup(cgroup.path);
});

test('killCgroup() stops waiting when the signal aborts', async () => {
  using cgroup = scratchCgroup();
  const { ended } = await settle(cgroup.path);
  await expect(killCgroup(cgroup.path, { signal: AbortSignal.abort() })).rejects.toThrow();
  await ended;
  await expect.poll(() => cgroupPopulated(cgroup.path)).toBe(false);
});

test('cgroupId() differs between cgroups', () => {
  using first = scratchCgroup();
  using second = scratchCgroup();
  expect(cgroupId(first.path)).not.toBe(cgroupId(second.path));
});

test('functions that change a cgroup refuse the root and plain directories', async () => {
  const root = findCgroup2();
  expect(() => moveToCgroup(root, process.pid)).toThrow('root cgroup');
  expect(() => removeCgroup(root)).toThrow('root cgroup');
  expect(() => createCgroup(root)).toThrow('root cgroup');
  await expect(killCgroup(root)).rejects.toThrow('root cgroup');
  expect(() => removeCgroup('/tmp')).toThrow('no cgroup v2');
});

test('mountBpffs() makes a bpf file system that unmount() takes away', () => {
  using bpffs = scratchBpffs();
  expect(isBpffs(bpffs.path)).toBe(true);
  mkdirSync(join(bpffs.path, 'below'));
  expect(isBpffs(join(bpffs.path, 'below'))).toBe(true);
  unmount(bpffs.path);
  expect(isBpffs(bpffs.path)).toBe(false);
  unmount(bpffs.path);
  expect(isBpffs('/nowhere')).toBe(false);
  expect(() => mountBpffs('/nowhere')).toThrow(expect.objectContaining({ errno: 'ENOENT' }));
});
