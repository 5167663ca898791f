import { expect, test } from 'vitest';
import { parseMounts } from './mount.ts';

test('parseMounts() undoes octal escapes when a path has a space', () => {
  expect(parseMounts('none /mnt/a\\040b bpf rw 0 0\n')).toEqual([{ source: 'none', target: '/mnt/a b', type: 'bpf' }]);
});
