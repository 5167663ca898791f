import { expect, test } from 'vitest';
import { UserError } from '../base/errors.ts';
import { findCgroup2 } from './cgroup.ts';

const hybrid =
  'tmpfs /sys/fs/cgroup tmpfs ro 0 0\ncgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n';

test('findCgroup2() finds the v2 hierarchy when v1 is mounted beside it', () => {
  expect(findCgroup2(hybrid)).toBe('/sys/fs/cgroup/unified');
  expect(findCgroup2('cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n')).toBe('/sys/fs/cgroup');
});

test('findCgroup2() throws MACHINE_NO_CGROUP2 with a cure when only v1 is mounted', () => {
  expect(() => findCgroup2('cgroup /sys/fs/cgroup/cpu cgroup rw 0 0\n')).toThrow(UserError);
});
