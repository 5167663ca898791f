import { existsSync, mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { AttachType } from './bpf-constants.ts';
import { programLoad } from './bpf-programs.ts';
import { ownMissingCapabilities } from './capabilities.ts';
import { createCgroup, findCgroup2, openCgroup, removeCgroup } from './cgroup.ts';
import { libbpf } from './libbpf.ts';
import { closeFd } from './libc.ts';
import { Link } from './link.ts';
import { findBpffs, mountBpffs, unmount } from './mount.ts';
import type { Probe } from './probe.ts';
import { isSysError, SysError } from './sys-error.ts';

/** Tries with an empty cgroup of its own, removed at once; no process is ever in it. */
function withProbeCgroup<T>(use: (path: string) => T): T {
  const path = createCgroup(join(findCgroup2(), `millrace-probe-${process.pid}`));
  try {
    return use(path);
  } finally {
    removeCgroup(path);
  }
}

function canAttachToCgroup(): boolean {
  return withProbeCgroup((path) => {
    const instructions = Buffer.from('b700000001000000' + '9500000000000000', 'hex');
    const program = programLoad({
      type: 'CGROUP_SOCK',
      name: 'mr_probe',
      instructions,
      license: 'GPL',
      expectedAttachType: 'CGROUP_INET_SOCK_CREATE',
    });
    if (program.kind === 'refused') throw new SysError('bpf(PROG_LOAD mr_probe)', program.errno);
    const cgroup = openCgroup(path);
    try {
      Link.create(program.fd, cgroup, AttachType.CGROUP_INET_SOCK_CREATE).close();
      return true;
    } catch (error) {
      if (isSysError(error, 'EINVAL')) return false;
      throw error;
    } finally {
      closeFd(cgroup);
      closeFd(program.fd);
    }
  });
}

function canMountBpffs(): boolean {
  if (findBpffs() !== null) return true;
  const directory = mkdtempSync(join(tmpdir(), 'millrace-probe-'));
  try {
    mountBpffs(directory);
    unmount(directory);
    return true;
  } catch (error) {
    if (isSysError(error, 'ENODEV')) return false;
    throw error;
  } finally {
    rmdirSync(directory);
  }
}

/** Whether a program is on the search path; root's may lack the sbin folders, so they are searched too. */
function isInstalled(program: string, searchPath: string): boolean {
  return [...searchPath.split(delimiter), '/usr/sbin', '/sbin', '/usr/bin', '/bin'].some(
    (folder) => folder !== '' && existsSync(join(folder, program)),
  );
}

/** Probes for rights, libraries, mounts and tools. `searchPath` is the value of $PATH. */
export function machineProbes(searchPath: string): Probe[] {
  return [
    {
      name: 'rights',
      required: true,
      cost: 'nothing can be loaded or attached',
      cure: 'Run it as root, or with CAP_SYS_ADMIN, CAP_NET_ADMIN and CAP_SYS_PTRACE.',
      try: () => ownMissingCapabilities().length === 0,
    },
    {
      name: 'libbpf 1.1 or later',
      required: true,
      cost: 'programs cannot be loaded',
      cure: 'apt-get install libbpf1',
      try: () => isAtLeast(libbpf().versionString(), 1, 1),
    },
    {
      name: 'cgroup v2',
      required: true,
      cost: 'no program can be attached to processes',
      cure: 'Boot with systemd.unified_cgroup_hierarchy=1, or mount one: mount -t cgroup2 none /sys/fs/cgroup/unified',
      try: () => findCgroup2() !== '',
    },
    {
      name: 'link cgroup',
      required: true,
      cost: 'programs would stay attached after a crash, so Millrace does not attach them',
      cure: 'Use a kernel with it: Linux 5.7 has it, if CONFIG_CGROUP_BPF is on.',
      try: canAttachToCgroup,
    },
    {
      name: 'cgroup.kill',
      required: false,
      cost: 'ending a pod of the lab takes several rounds of signals',
      cure: 'Use a kernel with it: Linux 5.14 has it.',
      try: () => withProbeCgroup((path) => existsSync(join(path, 'cgroup.kill'))),
    },
    {
      name: 'bpf file system',
      required: true,
      cost: 'redirection ends with the agent instead of surviving it',
      cure: 'mount -t bpf bpf /sys/fs/bpf',
      try: canMountBpffs,
    },
    {
      name: 'iptables',
      required: false,
      cost: 'no redirection by iptables, and no comparison with it',
      cure: 'apt-get install iptables',
      try: () => isInstalled('iptables', searchPath),
    },
    {
      name: 'nft',
      required: false,
      cost: 'rules of nftables on this machine cannot be shown',
      cure: 'apt-get install nftables',
      try: () => isInstalled('nft', searchPath),
    },
  ];
}

/** Whether `v1.4.6` or `1.4` is at least major.minor. */
export function isAtLeast(version: string, major: number, minor: number): boolean {
  const [, foundMajor = '0', foundMinor = '0'] = /^v?(\d+)\.(\d+)/.exec(version) ?? [];
  return Number(foundMajor) > major || (Number(foundMajor) === major && Number(foundMinor) >= minor);
}
