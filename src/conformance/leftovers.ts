import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findCgroup2, killCgroup, removeCgroup, unmount } from '../kernel/index.ts';
import { parseMounts } from '../kernel/mount.ts';

const conformancePrefix = 'millrace-conformance-';

/** What a run calls its cgroup; the directory of its bpf file system begins with it. */
export function leftoverName(pid: number): string {
  return `${conformancePrefix}${pid}`;
}

/**
 * Removes what runs left behind that were killed: their cgroups, with whatever is in them, and their bpf file systems, with every pin. Their
 * namespaces ended with them. Runs that live are left alone. `prefix` stands before the process id in their names.
 */
export async function removeLeftovers(prefix = conformancePrefix): Promise<void> {
  const root = findCgroup2();
  const isOfTheDead = (name: string): boolean => wasLeftBy(prefix, name);
  for (const name of readdirSync(root).filter(isOfTheDead)) {
    await killCgroup(join(root, name));
    removeCgroup(join(root, name));
  }
  const mounted = new Set(parseMounts(readFileSync('/proc/self/mounts', 'utf8')).map(({ target }) => target));
  for (const name of readdirSync(tmpdir()).filter(isOfTheDead)) {
    const path = join(tmpdir(), name);
    if (mounted.has(path)) unmount(path);
    rmSync(path, { recursive: true });
  }
}

function wasLeftBy(prefix: string, name: string): boolean {
  if (!name.startsWith(prefix)) return false;
  const pid = /^\d+/.exec(name.slice(prefix.length))?.[0];
  return pid !== undefined && !existsSync(`/proc/${pid}`);
}
