import { readFileSync, statfsSync } from 'node:fs';
import { check, libc } from './libc.ts';
import { isSysError } from './sys-error.ts';

/** BPF_FS_MAGIC of linux/magic.h. */
const bpffsMagic = 0xcafe4a11;

const MS_NOSUID = 2;
const MS_NODEV = 4;
const MS_NOEXEC = 8;
const MNT_DETACH = 2;

export interface Mount {
  readonly source: string;
  readonly target: string;
  readonly type: string;
}

/** Reads /proc/self/mounts. Spaces and the like are octal escapes there. */
export function parseMounts(text: string): Mount[] {
  const plain = (field: string) =>
    field.replaceAll(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
  return text
    .split('\n')
    .map((line) => line.split(' '))
    .flatMap(([source, target, type]) =>
      source === undefined || target === undefined || type === undefined ? [] : [{ source: plain(source), target: plain(target), type }],
    );
}

/** Whether `path` lies on a bpf file system. A path that does not exist does not. */
export function isBpffs(path: string): boolean {
  try {
    // The magic has its top bit set and some kernels hand it out sign-extended.
    return BigInt.asUintN(32, BigInt(statfsSync(path).type)) === BigInt(bpffsMagic);
  } catch {
    return false;
  }
}

/** Where systemd mounts it, and every other tool looks first. */
const usualBpffs = '/sys/fs/bpf';

/**
 * The machine's bpf file system: the usual one, or else the first that outlives whoever mounted it, or null. One below /run/millrace or /tmp is somebody's
 * own (a lab's, a test's) and ends with it, and with it every pin there.
 */
export function findBpffs(mounts: string = readFileSync('/proc/self/mounts', 'utf8')): string | null {
  const targets = parseMounts(mounts)
    .filter(({ type }) => type === 'bpf')
    .map(({ target }) => target);
  if (targets.includes(usualBpffs)) return usualBpffs;
  return targets.find((target) => !/^\/(run\/millrace|tmp)\//.test(target)) ?? null;
}

/** Mounts a bpf file system of its own at an existing directory, readable by root only. @throws SysError */
export function mountBpffs(directory: string): void {
  check(libc().mount('bpf', directory, 'bpf', MS_NOSUID | MS_NODEV | MS_NOEXEC, 'mode=0700'), `mount bpf at ${directory}`);
}

/** Unmounts what is mounted at the directory, now for new users and later for those still in it. Nothing happens where nothing is mounted. */
export function unmount(directory: string): void {
  try {
    check(libc().umount2(directory, MNT_DETACH), `umount ${directory}`);
  } catch (error) {
    if (!isSysError(error, 'EINVAL', 'ENOENT')) throw error;
  }
}
