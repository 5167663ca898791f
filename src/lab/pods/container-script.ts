import type { ProgramMount } from '../images/image.ts';
import { programsPath, volumePath } from '../images/image.ts';
import { shellQuote, shellWords } from './shell.ts';

/** The capabilities that container runtimes leave to root by default, without mknod: the device files here are the machine's. */
const keptCapabilities = [
  'chown',
  'dac_override',
  'fowner',
  'fsetid',
  'kill',
  'setgid',
  'setuid',
  'setpcap',
  'net_bind_service',
  'net_raw',
  'sys_chroot',
  'audit_write',
  'setfcap',
];

export interface ContainerUser {
  readonly uid: number;
  readonly gid: number;
}

export interface ContainerScript {
  readonly cgroup: string;
  /** The process that holds the pod's namespaces. */
  readonly holderPid: number;
  /** Folder with the pod's hosts, resolv.conf, hostname, passwd and group. */
  readonly etc: string;
  /** The container's own writable folder. */
  readonly volume: string;
  readonly mounts: readonly ProgramMount[];
  /** Folders of the machine visible, read-only, at their own path although /run and /tmp are hidden. */
  readonly visible: readonly string[];
  readonly user: ContainerUser;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly argv: readonly string[];
}

/**
 * A shell script that becomes the container's process. It joins the cgroup first (sockets belong to the cgroup they are made in), then the
 * pod's namespaces, then makes a mount namespace of its own: the machine's files read-only, own /run, /tmp, /dev/shm and /sys, the pod's
 * files in /etc. Last it gives up its rights.
 */
export function containerScript(options: ContainerScript): string {
  const inner = [
    'set -eu',
    ...mountCommands(options),
    `cd ${shellQuote(options.cwd)}`,
    `exec ${shellWords(asUser(options.user, options.env, options.argv))}`,
  ].join('\n');
  return [
    'set -eu',
    `echo $$ > ${shellQuote(`${options.cgroup}/cgroup.procs`)}`,
    `exec nsenter --target ${options.holderPid} --net --uts --ipc -- unshare --mount --propagation private -- /bin/sh -c ${shellQuote(inner)}`,
  ].join('\n');
}

/** The tail of every command line inside a container: user, capabilities, environment. The process dies with the one that started it. */
export function asUser(
  user: ContainerUser,
  env: Readonly<Record<string, string>>,
  argv: readonly string[],
  cwd: string | null = null,
): readonly string[] {
  return [
    'setpriv',
    '--reuid',
    String(user.uid),
    '--regid',
    String(user.gid),
    '--clear-groups',
    '--no-new-privs',
    '--inh-caps=-all',
    `--bounding-set=-all,${keptCapabilities.map((name) => `+${name}`).join(',')}`,
    '--pdeathsig',
    'KILL',
    '--',
    'env',
    '-i',
    ...(cwd === null ? [] : ['-C', cwd]),
    ...Object.entries(env).map(([name, value]) => `${name}=${value}`),
    ...argv,
  ];
}

/**
 * Sources are opened before /run and /tmp are hidden and mounted through their descriptors, because a path may lie below either. The
 * volume is bound before the root turns read-only (a bind inherits that), everything else after.
 */
function mountCommands(options: ContainerScript): readonly string[] {
  const sources = [options.etc, options.volume, ...options.mounts.map((mount) => mount.path), ...options.visible];
  const fd = (index: number) => `/proc/self/fd/${index + 3}`;
  if (sources.length > 7)
    throw new RangeError(`Cannot mount more than 7 things because a POSIX shell has descriptors 3 to 9: ${sources.length}`);
  const programs = options.mounts.map((mount, index) => ({ target: `${programsPath}/${mount.name}`, source: fd(index + 2) }));
  const visible = options.visible.map((path, index) => ({ target: path, source: fd(index + 2 + options.mounts.length) }));
  return [
    `exec ${sources.map((path, index) => `${index + 3}<${shellQuote(path)}`).join(' ')}`,
    'mount -t tmpfs -o mode=0755 tmpfs /run',
    'mount -t tmpfs -o mode=1777 tmpfs /tmp',
    'mount -t tmpfs -o mode=1777 tmpfs /dev/shm',
    `mkdir -p ${volumePath} ${programsPath}`,
    `echo '{"type":"module"}' > ${programsPath}/package.json`,
    `mount --no-canonicalize --bind ${fd(1)} ${volumePath}`,
    'mount -o remount,bind,ro /',
    ...[...programs, ...visible].flatMap(({ target, source }) => [
      `if [ -d ${source} ]; then mkdir -p ${shellQuote(target)}; else mkdir -p ${shellQuote(parentOf(target))}; : > ${shellQuote(target)}; fi`,
      `mount --no-canonicalize --bind -o ro ${source} ${shellQuote(target)}`,
    ]),
    // /etc/resolv.conf is a link into /run on many machines: what it names has to exist in the new /run.
    'for file in hosts resolv.conf hostname passwd group; do',
    '  real=$(readlink -m "/etc/$file")',
    `  case $real in /run/*|/tmp/*) mkdir -p "\${real%/*}"; : > "$real";; esac`,
    `  [ ! -e "$real" ] || mount --no-canonicalize --bind "${fd(0)}/$file" "$real"`,
    'done',
    'mount --bind -o ro /proc/sys /proc/sys',
    '[ ! -e /proc/sysrq-trigger ] || mount --bind /dev/null /proc/sysrq-trigger',
    'mount -t sysfs -o ro sysfs /sys',
    `exec ${sources.map((_, index) => `${index + 3}<&-`).join(' ')}`,
  ];
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}
