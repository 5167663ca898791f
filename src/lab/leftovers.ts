import { readdirSync, rmdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { unmount } from '../kernel/index.ts';
import { clearCgroup } from './node/processes.ts';
import type { LabPaths } from './paths.ts';

/**
 * Removes everything an instance leaves on the machine: processes (by its cgroup), cgroups, the bpf file system with its pins, run-time
 * files. Network namespaces and mounts inside pods end with their processes. Also right after a daemon that was killed. For who has the lock.
 * @param keep names in the run folder that stay
 */
export async function removeLeftovers(paths: LabPaths, keep: readonly string[] = []): Promise<void> {
  await clearCgroup(paths.cgroup);
  unmount(paths.bpffs);
  // the daemon that ends and the command that ended it may both be at it
  const lock = basename(paths.lock);
  // the lock last: from then on the instance is another's
  for (const entry of [...entriesOf(paths.run).filter((name) => name !== lock), lock]) {
    if (!keep.includes(entry)) await rm(join(paths.run, entry), { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
  }
  if (keep.length > 0) return;
  for (const folder of [paths.run, dirname(paths.run), dirname(paths.cgroup)]) removeIfEmpty(folder);
}

function entriesOf(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    // Not there, or another instance's.
    if (code !== 'ENOENT' && code !== 'ENOTEMPTY' && code !== 'EBUSY') throw error;
  }
}
