import { expect, it } from 'vitest';
import { runStorm } from '../../bench/storm/run.ts';

it('runStorm() leaves maps, sockets, descriptors and memory where they were when thousands of connections came and went', async () => {
  const { tally, growth, after } = await runStorm({ seconds: 5, perSecond: 20_000, clients: 2 });
  expect(growth).toEqual([]);
  expect(tally.failed).toBe(0);
  expect(tally.whole).toBeGreaterThan(1000);
  expect(tally.refused).toBeGreaterThan(100);
  expect(after.entries.mr_handovers).toBe(0);
  expect(after.entries.mr_listeners).toBe(3);
}, 60_000);
