import { expect, test } from 'vitest';
import { UserError } from '../base/errors.ts';
import { missingCapabilities } from './capabilities.ts';
import { findCgroup2 } from './cgroup.ts';
import { parseMounts } from './mount.ts';
import { countCpuList } from './possible-cpus.ts';
import { isAtLeast } from './probe-machine.ts';

const hybrid =
  'tmpfs /sys/fs/cgroup tmpfs ro 0 0\ncgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n';

test('findCgroup2() finds the v2 hierarchy when v1 is mounted beside it', () => {
  expect(findCgroup2(hybrid)).toBe('/sys/fs/cgroup/unified');
  expect(findCgroup2('cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n')).toBe('/sys/fs/cgroup');
});

test('findCgroup2() throws MACHINE_NO_CGROUP2 with a cure when only v1 is mounted', () => {
  expect(() => findCgroup2('cgroup /sys/fs/cgroup/cpu cgroup rw 0 0\n')).toThrow(UserError);
});

test('parseMounts() undoes octal escapes when a path has a space', () => {
  expect(parseMounts('none /mnt/a\\040b bpf rw 0 0\n')).toEqual([{ source: 'none', target: '/mnt/a b', type: 'bpf' }]);
});

test('countCpuList() counts single CPUs and ranges', () => {
  expect(['0\n', '0-3\n', '0-1,4,6-7\n'].map(countCpuList)).toEqual([1, 4, 5]);
  expect(() => countCpuList('x')).toThrow(RangeError);
});

test('missingCapabilities() takes CAP_SYS_ADMIN for CAP_BPF and CAP_PERFMON', () => {
  expect(missingCapabilities('CapEff:\t000001ffffffffff\n')).toEqual([]);
  const adminNetPtrace = ((1n << 21n) | (1n << 12n) | (1n << 19n)).toString(16).padStart(16, '0');
  expect(missingCapabilities(`CapPrm:\t0\nCapEff:\t${adminNetPtrace}\n`)).toEqual([]);
  expect(missingCapabilities('CapEff:\t0000000000000000\n')).toEqual([
    'CAP_NET_ADMIN',
    'CAP_SYS_PTRACE',
    'CAP_SYS_ADMIN',
    'CAP_PERFMON',
    'CAP_BPF',
  ]);
});

test('isAtLeast() compares major before minor', () => {
  expect(['v0.8', 'v1.0', 'v1.1', 'v1.10.2', 'v2.0', 'nonsense'].map((version) => isAtLeast(version, 1, 1))).toEqual([
    false,
    false,
    true,
    true,
    true,
    false,
  ]);
});
