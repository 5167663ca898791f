import { mkdtempSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cleanup } from '../../src/base/cleanup.ts';
import { createCgroup, findCgroup2, killCgroup, mountBpffs, removeCgroup, unmount } from '../../src/kernel/index.ts';

/** Cgroups and a bpf file system of one benchmark run. */
export interface BenchNode extends AsyncDisposable {
  /** The cgroup that programs are attached to. */
  readonly pods: string;
  /** A cgroup beside it, with no program. */
  readonly plain: string;
  /** A bpf file system. */
  readonly pins: string;
}

/** Makes them, and removes what runs that were killed have left. At the end everything in the cgroups is killed. */
export async function createBenchNode(): Promise<BenchNode> {
  const cleanup = new Cleanup();
  try {
    await sweep();
    const root = join(findCgroup2(), `millrace-bench-${process.pid}`);
    cleanup.defer(async () => {
      await killCgroup(root);
      removeCgroup(root);
    });
    const pods = createCgroup(join(root, 'pods'));
    const plain = createCgroup(join(root, 'plain'));
    const pins = mkdtempSync(join(tmpdir(), 'millrace-bench-bpf-'));
    cleanup.defer(() => rmdirSync(pins));
    mountBpffs(pins);
    cleanup.defer(() => unmount(pins));
    return { pods, plain, pins, [Symbol.asyncDispose]: () => cleanup[Symbol.asyncDispose]() };
  } catch (error) {
    await cleanup[Symbol.asyncDispose]();
    throw error;
  }
}

/** Cgroups and mounts of runs whose process is no more. */
async function sweep(): Promise<void> {
  for (const name of readdirSync(findCgroup2())) {
    const pid = /^millrace-bench-(\d+)$/.exec(name)?.[1];
    if (pid === undefined || isAlive(Number(pid))) continue;
    await killCgroup(join(findCgroup2(), name));
    removeCgroup(join(findCgroup2(), name));
    for (const mount of readFileSync('/proc/self/mounts', 'utf8').matchAll(/^\S+ (\S+\/millrace-bench-bpf-\S+) bpf /gm)) {
      unmount(mount[1] ?? '');
      rmdirSync(mount[1] ?? '');
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
