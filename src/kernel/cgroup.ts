import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmdirSync, statfsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { exitCodes, MillraceError, UserError } from '../base/errors.ts';
import { openFd, openFlags } from './libc.ts';
import { parseMounts } from './mount.ts';

/** CGROUP2_SUPER_MAGIC of linux/magic.h. */
const cgroup2Magic = 0x63677270;

/**
 * Where cgroup v2 is mounted: /sys/fs/cgroup, or /sys/fs/cgroup/unified on a machine that still has v1 beside it.
 * @throws UserError MACHINE_NO_CGROUP2
 */
export function findCgroup2(mounts: string = readFileSync('/proc/self/mounts', 'utf8')): string {
  const found = parseMounts(mounts).find((mount) => mount.type === 'cgroup2');
  if (found !== undefined) return found.target;
  throw new UserError(
    'MACHINE_NO_CGROUP2',
    'Cannot attach to processes because no cgroup v2 hierarchy is mounted: /proc/self/mounts has none',
    {
      cure: 'Boot with systemd.unified_cgroup_hierarchy=1, or mount one.',
      command: 'mkdir -p /sys/fs/cgroup/unified && mount -t cgroup2 none /sys/fs/cgroup/unified',
      exitCode: exitCodes.machine,
    },
  );
}

/**
 * Fails unless `path` is a cgroup v2 directory below the root. The root is the only cgroup without cgroup.events.
 * @throws MillraceError SYS
 */
export function assertOwnCgroup(path: string): void {
  let magic = 0;
  try {
    magic = statfsSync(path).type;
  } catch (cause) {
    throw new MillraceError('SYS', `Cannot use the cgroup ${path} because it does not open: ${String(cause)}`, { cause });
  }
  if (magic !== cgroup2Magic)
    throw new MillraceError('SYS', `Cannot use the cgroup ${path} because it is no cgroup v2 directory: magic 0x${magic.toString(16)}`);
  if (!existsSync(join(path, 'cgroup.events'))) {
    throw new MillraceError('SYS', `Cannot use the cgroup ${path} because it is the root cgroup, which holds every process of the machine`);
  }
}

/** A descriptor of a cgroup below the root. The caller owns it. */
export function openCgroup(path: string): number {
  assertOwnCgroup(path);
  return openFd(path, openFlags.O_RDONLY | openFlags.O_DIRECTORY);
}

/** The path behind a cgroup descriptor. @throws MillraceError SYS for the root and for what is no cgroup */
export function cgroupPathOfFd(fd: number): string {
  const path = readlinkSync(`/proc/self/fd/${fd}`);
  assertOwnCgroup(path);
  return path;
}

/** Makes a cgroup, parents included, and returns its path. Nothing happens to one that exists. @throws MillraceError SYS for the root */
export function createCgroup(path: string): string {
  mkdirSync(path, { recursive: true });
  assertOwnCgroup(path);
  return path;
}

/** The 64-bit id that BPF programs and links see (the inode number, on 64-bit kernels). */
export function cgroupId(path: string): bigint {
  return statSync(path, { bigint: true }).ino;
}

/** Moves a process, all its threads, into a cgroup. */
export function moveToCgroup(path: string, pid: number): void {
  assertOwnCgroup(path);
  writeFileSync(join(path, 'cgroup.procs'), String(pid));
}

/** Process ids in a cgroup and all below it. A cgroup that vanishes meanwhile has none. */
export function cgroupProcesses(path: string): number[] {
  try {
    const own = readFileSync(join(path, 'cgroup.procs'), 'latin1').split('\n').filter(Boolean).map(Number);
    return own.concat(...childCgroups(path).map(cgroupProcesses));
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENODEV')) return [];
    throw error;
  }
}

/** Whether any process, zombies excepted, is in the cgroup or below. A cgroup that is gone is empty. */
export function cgroupPopulated(path: string): boolean {
  try {
    return /^populated 1$/m.test(readFileSync(join(path, 'cgroup.events'), 'latin1'));
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENODEV')) return false;
    throw error;
  }
}

/**
 * Kills everything in a cgroup and below, and waits until it is empty. Uses cgroup.kill (Linux ≥ 5.14), which forks cannot escape, else
 * SIGKILL round by round.
 * @throws MillraceError SYS when processes remain after `timeoutMs` (5,000 unless told); the abort reason when `signal` aborts
 */
export async function killCgroup(path: string, options: { timeoutMs?: number; signal?: AbortSignal } = {}): Promise<void> {
  if (!isThere(path)) return;
  const deadline = performance.now() + (options.timeoutMs ?? 5_000);
  const killFile = join(path, 'cgroup.kill');
  const byFile = existsSync(killFile);
  if (byFile) writeFileSync(killFile, '1');
  options.signal?.throwIfAborted();
  while (cgroupPopulated(path)) {
    if (!byFile) for (const pid of cgroupProcesses(path)) killProcess(pid);
    if (performance.now() > deadline) {
      throw new MillraceError(
        'SYS',
        `Cannot empty the cgroup ${path} because processes survive SIGKILL: ${cgroupProcesses(path).join(', ')}`,
      );
    }
    await sleep(5, undefined, options.signal === undefined ? {} : { signal: options.signal });
  }
}

/** Removes an empty cgroup and all below it, deepest first. One that is gone is fine. @throws Error EBUSY when processes are in it */
export function removeCgroup(path: string): void {
  if (!isThere(path)) return;
  removeTree(path);
}

function removeTree(path: string): void {
  for (const child of childCgroups(path)) removeTree(child);
  try {
    rmdirSync(path);
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
  }
}

/** Children of a cgroup that vanishes meanwhile are none. */
function childCgroups(path: string): string[] {
  try {
    return readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => join(path, entry.name));
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENODEV')) return [];
    throw error;
  }
}

/** Whether there is a cgroup below the root at `path`; somebody else may remove it at any time. @throws MillraceError SYS for the root */
function isThere(path: string): boolean {
  if (!existsSync(path)) return false;
  try {
    assertOwnCgroup(path);
    return true;
  } catch (error) {
    if (existsSync(path)) throw error;
    return false;
  }
}

function killProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    // It ended by itself between the list and the signal.
    if (!hasCode(error, 'ESRCH')) throw error;
  }
}

function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}
