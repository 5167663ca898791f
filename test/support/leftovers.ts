import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The variable by which every process that a test run starts, and what those start, can be told from all others. */
export const runMark = 'MILLRACE_TEST_RUN';

/** The name that everything of ours carries: namespaces, cgroups, folders, mounts. */
const ourName = /millrace/;

/**
 * What Millrace could have left on the machine: named network namespaces, cgroups, mounts (bpffs, nsfs, tmpfs), run-time folders with a socket or a
 * pid in them, and the processes that carry the mark `run`. Each as one readable line.
 */
export function findTraces(run: string): readonly string[] {
  const cgroupRoots = mounts().flatMap(({ type, point }) => (type === 'cgroup2' ? [point] : []));
  return [
    ...namesIn('/run/netns').map((name) => `network namespace ${name}`),
    ...cgroupRoots.flatMap((root) => cgroupsBelow(root, 2)).map((path) => `cgroup ${path}`),
    ...mounts().flatMap(({ type, point }) => (ourName.test(point) ? [`${type} mounted on ${point}`] : [])),
    ...namesIn('/sys/fs/bpf').map((name) => `pins /sys/fs/bpf/${name}`),
    ...entriesOf('/run/millrace').map((name) => `run-time files /run/millrace/${name}`),
    ...processesWith(`${runMark}=${run}`),
  ];
}

/** The traces of `after` that were not there before the run: what its tests left behind. */
export function leftBehind(before: readonly string[], after: readonly string[]): readonly string[] {
  const known = new Set(before);
  return after.filter((trace) => !known.has(trace));
}

function mounts(): readonly { readonly type: string; readonly point: string }[] {
  return readFileSync('/proc/self/mounts', 'utf8')
    .trim()
    .split('\n')
    .map((line) => line.split(' '))
    .map(([, point = '', type = '']) => ({ type, point }));
}

function entriesOf(folder: string): readonly string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}

function namesIn(folder: string): readonly string[] {
  return entriesOf(folder).filter((name) => ourName.test(name));
}

function cgroupsBelow(folder: string, depth: number): readonly string[] {
  if (depth === 0) return [];
  const folders = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return folders.flatMap(({ name }) => (ourName.test(name) ? [join(folder, name)] : cgroupsBelow(join(folder, name), depth - 1)));
}

/** Processes whose environment holds `assignment`, other than this one, its parents and its children (the test runner's own workers). */
function processesWith(assignment: string): readonly string[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name) || name === String(process.pid)) return [];
    try {
      const marked = readFileSync(`/proc/${name}/environ`, 'utf8').split('\0').includes(assignment);
      const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
      return marked && command !== '' && !isRunner(name, command) ? [`process ${name}: ${command.slice(0, 120)}`] : [];
    } catch {
      // It ended while we looked.
      return [];
    }
  });
}

function isRunner(pid: string, command: string): boolean {
  const parent = /^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  // Vitest's workers and its transformer are our direct children; a daemon of a test never is.
  return parent === String(process.pid) && /vitest|esbuild|rolldown/.test(command);
}
