import { expect, test } from 'vitest';
import { compare } from './compare.ts';
import type { Sample } from './measure.ts';

function sample(configuration: Sample['configuration'], round: number, median: number, failed = 0): Sample {
  return { layout: 'one CPU', family: 'IPv4', configuration, round, connections: 100, failed, median, mean: median + 1, p99: median * 2 };
}

test('compare() takes differences within a round when the machine gets slower from round to round', () => {
  const samples = [10, 20, 30].flatMap((base, round) => [
    sample('direct', round, base),
    sample('own address', round, base + 1),
    sample('ebpf', round, base + 2),
    sample('iptables', round, base + 4, round === 1 ? 3 : 0),
  ]);
  const [result] = compare(samples);
  expect(result).toMatchObject({ layout: 'one CPU', family: 'IPv4' });
  expect(result?.lessDirect).toEqual({ median: 2, lowest: 2, highest: 2 });
  expect(result?.lessOwnAddress.median).toBe(1);
  expect(result?.lessIptables).toEqual({ median: -2, lowest: -2, highest: -2 });
  expect(result?.iptablesLessDirect.median).toBe(4);
  expect(result?.overIptables).toEqual({ median: 22 / 24, lowest: 12 / 14, highest: 32 / 34 });
  expect(result?.configurations.find(({ configuration }) => configuration === 'iptables')).toMatchObject({ failed: 3, connections: 300 });
});
