import { expect, test } from 'vitest';
import { countCpuList } from './possible-cpus.ts';

test('countCpuList() counts single CPUs and ranges', () => {
  expect(['0\n', '0-3\n', '0-1,4,6-7\n'].map(countCpuList)).toEqual([1, 4, 5]);
  expect(() => countCpuList('x')).toThrow(RangeError);
});
