import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createCgroup, findCgroup2, removeCgroup } from '../../src/kernel/cgroup.ts';
import { mountBpffs, unmount } from '../../src/kernel/mount.ts';
import type { NetnsHandle } from '../../src/kernel/netns.ts';
import { openNetns } from '../../src/kernel/netns.ts';

/** A cgroup, namespace or file system of a test's own, gone when it is disposed of. */
export interface Scratch extends Disposable {
  readonly path: string;
}

let count = 0;

function unique(): string {
  count += 1;
  return `${process.pid}-${count}`;
}

/** A cgroup below <cgroup2>/millrace-test-PID-N, removed with everything below it. Processes in it must be gone by then. */
export function scratchCgroup(): Scratch {
  sweepCgroups();
  const path = createCgroup(join(findCgroup2(), `millrace-test-${unique()}`));
  return { path, [Symbol.dispose]: () => removeCgroup(path) };
}

/** What a killed test run left behind: cgroups named for a process that is no more. */
function sweepCgroups(): void {
  const root = findCgroup2();
  for (const name of readdirSync(root)) {
    const pid = /^millrace-test-(\d+)-\d+$/.exec(name)?.[1];
    if (pid === undefined || isAlive(Number(pid))) continue;
    try {
      removeCgroup(join(root, name));
    } catch {
      // Something still lives in it: it is not ours to end.
    }
  }
}

/** A named network namespace with its loopback interface up. */
export function scratchNetns(): Scratch & { readonly name: string; readonly handle: NetnsHandle } {
  sweepNetns();
  const name = `mrt-${unique()}`;
  execFileSync('ip', ['netns', 'add', name]);
  const path = `/run/netns/${name}`;
  execFileSync('ip', ['-n', name, 'link', 'set', 'lo', 'up']);
  const handle = openNetns(path);
  return {
    name,
    path,
    handle,
    [Symbol.dispose]: () => {
      handle.close();
      execFileSync('ip', ['netns', 'del', name]);
    },
  };
}

function sweepNetns(): void {
  for (const { name } of JSON.parse(execFileSync('ip', ['-j', 'netns', 'list'], { encoding: 'utf8' }) || '[]') as { name: string }[]) {
    const pid = /^mrt-(\d+)-\d+$/.exec(name)?.[1];
    if (pid !== undefined && !isAlive(Number(pid))) execFileSync('ip', ['netns', 'del', name]);
  }
}

/** A bpf file system in a temporary directory. */
export function scratchBpffs(): Scratch {
  const path = mkdtempSync(join(tmpdir(), 'millrace-bpffs-'));
  mountBpffs(path);
  return {
    path,
    [Symbol.dispose]: () => {
      unmount(path);
      rmdirSync(path);
    },
  };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
