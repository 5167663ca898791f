import { readFileSync } from 'node:fs';

let cached: number | null = null;

/** The number of CPUs that a kernel list names: `0-3,8` has 5. */
export function countCpuList(list: string): number {
  let count = 0;
  for (const range of list.trim().split(',')) {
    const [first, last] = range.split('-').map(Number);
    if (first === undefined || Number.isNaN(first)) throw new RangeError(`Cannot read a list of CPUs: ${JSON.stringify(list)}`);
    count += (last ?? first) - first + 1;
  }
  return count;
}

/** CPUs this machine may ever have: per-CPU map values have one slot for each, online or not. */
export function possibleCpus(): number {
  cached ??= countCpuList(readFileSync('/sys/devices/system/cpu/possible', 'latin1'));
  return cached;
}
