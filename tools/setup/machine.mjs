// @ts-check
import { existsSync, readFileSync } from 'node:fs';
import { release } from 'node:os';
import { MachineProblem } from './problem.mjs';

/**
 * What the set-up needs to know of the machine.
 * @typedef {object} MachineFacts
 * @property {string} platform as process.platform
 * @property {string} nodeVersion as process.versions.node
 * @property {number} uid the effective user id
 * @property {string} kernel as uname -r
 * @property {boolean} btf whether the kernel publishes its types
 * @property {string} mounts /proc/self/mounts
 * @property {string} filesystems /proc/filesystems
 */

/** Node's floor, as in package.json. */
const leastNode = [20, 19];
/** Kernels from here on are tested; older ones may have what is needed, and `millrace doctor` finds out by trying. */
const testedKernel = [5, 15];

/** @returns {MachineFacts} */
export function readMachine() {
  return {
    platform: process.platform,
    nodeVersion: process.versions.node,
    uid: process.geteuid?.() ?? -1,
    kernel: release(),
    btf: existsSync('/sys/kernel/btf/vmlinux'),
    mounts: textOf('/proc/self/mounts'),
    filesystems: textOf('/proc/filesystems'),
  };
}

/** @param {string} path */
function textOf(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // No /proc, as in a bare chroot: then nothing is mounted, and the checks say so.
    return '';
  }
}

/**
 * Everything that is missing, all at once, so that one look is enough.
 * @param {MachineFacts} facts
 * @returns {MachineProblem[]}
 */
export function machineProblems(facts) {
  const problems = [];
  if (facts.platform !== 'linux') {
    problems.push(
      new MachineProblem('MACHINE_KERNEL_TOO_OLD', `Cannot run eBPF programs because this is not Linux: ${facts.platform}`, {
        cure: 'Use a Linux machine, or a virtual machine with Debian 12.',
      }),
    );
    return problems;
  }
  if (!atLeast(facts.nodeVersion, leastNode)) {
    problems.push(
      new MachineProblem(
        'MACHINE_MISSING_PROGRAM',
        `Cannot run on this Node because it is older than ${leastNode.join('.')}: ${facts.nodeVersion}`,
        {
          cure: `Install Node ${leastNode.join('.')} or newer.`,
          command: 'node --version',
        },
      ),
    );
  }
  if (facts.uid !== 0) {
    problems.push(
      new MachineProblem(
        'MACHINE_NOT_ROOT',
        `Cannot set up because loading eBPF programs and making namespaces needs root: the user id is ${facts.uid}`,
        {
          cure: 'Run the same command as root.',
          command: 'sudo npm run setup',
        },
      ),
    );
  }
  if (!facts.btf) {
    problems.push(
      new MachineProblem(
        'MACHINE_KERNEL_TOO_OLD',
        `Cannot load portable eBPF programs because the kernel publishes no types: /sys/kernel/btf/vmlinux is missing on ${facts.kernel}`,
        {
          cure: "Boot a kernel built with CONFIG_DEBUG_INFO_BTF=y; Debian's and Ubuntu's are.",
          command: 'grep BTF /boot/config-$(uname -r)',
        },
      ),
    );
  }
  if (!/^\S+ \S+ cgroup2 /m.test(facts.mounts)) {
    problems.push(
      new MachineProblem(
        'MACHINE_NO_CGROUP2',
        'Cannot attach to sockets because no cgroup v2 hierarchy is mounted: none in /proc/self/mounts',
        {
          cure: 'Mount one; it may stand beside cgroup v1.',
          command: 'mkdir -p /sys/fs/cgroup/unified && mount -t cgroup2 none /sys/fs/cgroup/unified',
        },
      ),
    );
  }
  if (!/^nodev\tbpf$/m.test(facts.filesystems)) {
    problems.push(
      new MachineProblem(
        'MACHINE_NO_BPFFS',
        'Cannot pin eBPF programs because the kernel has no bpf file system: none in /proc/filesystems',
        {
          cure: 'Boot a kernel built with CONFIG_BPF_SYSCALL=y.',
          command: 'grep CONFIG_BPF_SYSCALL /boot/config-$(uname -r)',
        },
      ),
    );
  }
  return problems;
}

/**
 * A remark for kernels that nobody has tried; null where there is nothing to remark.
 * @param {MachineFacts} facts
 */
export function kernelRemark(facts) {
  if (atLeast(facts.kernel, testedKernel)) return null;
  return `kernel ${facts.kernel} is older than ${testedKernel.join('.')}, the oldest that is tested: \`bin/millrace doctor\` tells what it lacks`;
}

/**
 * @param {string} version numbers with dots, then anything
 * @param {readonly number[]} least
 */
function atLeast(version, [leastMajor = 0, leastMinor = 0]) {
  const [major = 0, minor = 0] = version.split(/[.-]/).map(Number);
  return major > leastMajor || (major === leastMajor && minor >= leastMinor);
}
