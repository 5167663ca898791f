import { expect, test } from 'vitest';
import { findBpffs, parseMounts } from './mount.ts';

test('parseMounts() undoes octal escapes when a path has a space', () => {
  expect(parseMounts('none /mnt/a\\040b bpf rw 0 0\n')).toEqual([{ source: 'none', target: '/mnt/a b', type: 'bpf' }]);
});

test('findBpffs() prefers the usual one when another was mounted first', () => {
  expect(findBpffs('bpf /run/cilium/bpffs bpf rw 0 0\nbpf /sys/fs/bpf bpf rw 0 0\n')).toBe('/sys/fs/bpf');
  expect(findBpffs('tmpfs /sys/fs/bpf tmpfs rw 0 0\nbpf /run/cilium/bpffs bpf rw 0 0\n')).toBe('/run/cilium/bpffs');
});

test("findBpffs() is null when there is only a lab's or a test's, which ends with it", () => {
  expect(findBpffs('bpf /run/millrace/lab/bpf bpf rw 0 0\nbpf /tmp/millrace-bpf-x bpf rw 0 0\n')).toBeNull();
});
