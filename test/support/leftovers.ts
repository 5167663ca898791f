import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

/** The variable by which every process that a test run starts, and what those start, can be told from all others. */
export const runMark = 'MILLRACE_TEST_RUN';

/** The name that everything of ours carries: namespaces, cgroups, folders, mounts. */
const ourName = /millrace/;
/** The file that a process of ours runs. */
const ourProgram = /^(millrace(\.mjs)?|bench-[a-z-]+\.mjs)$/;

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

/**
 * Processes of Millrace that this run did not start: another run of the tests, a benchmark, a lab that somebody uses. While there are some, a namespace or
 * a mount that was not there before may be theirs.
 */
export function othersAtWork(run: string): readonly string[] {
  return processes().flatMap(({ pid, args, environment }) =>
    args.slice(0, 3).some((argument) => ourProgram.test(basename(argument))) && !environment.includes(`${runMark}=${run}`)
      ? [`process ${pid}: ${describe(args)}`]
      : [],
  );
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
  return processes().flatMap(({ pid, args, environment }) =>
    environment.includes(assignment) && !isRunner(pid, describe(args)) ? [`process ${pid}: ${describe(args)}`] : [],
  );
}

/** All that still run, without this one. */
function processes(): readonly { readonly pid: string; readonly args: readonly string[]; readonly environment: readonly string[] }[] {
  return readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid) || pid === String(process.pid)) return [];
    try {
      const environment = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
      const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').filter(Boolean);
      return args.length === 0 ? [] : [{ pid, args, environment }];
    } catch {
      // It ended while we looked.
      return [];
    }
  });
}

function describe(args: readonly string[]): string {
  return args.join(' ').slice(0, 120);
}

function isRunner(pid: string, command: string): boolean {
  try {
    const parent = /^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    // Vitest's workers and its transformer are our direct children; a daemon of a test never is.
    return parent === String(process.pid) && /vitest|esbuild|rolldown/.test(command);
  } catch {
    // It ended while we looked: it was not left behind.
    return true;
  }
}
