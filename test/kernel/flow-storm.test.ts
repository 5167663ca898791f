import { expect, it } from 'vitest';
import { runFlowStorm } from '../../bench/flows/storm.ts';

it('runFlowStorm() finds every event of a flood delivered or counted as lost, while the agent answers', async () => {
  const { sent, dropped, events, cores, queries } = await runFlowStorm({ seconds: 3, perSecond: 100_000, flowLimit: 0 });
  expect(dropped).toBe(sent);
  expect(events.emitted).toBe(2 * sent);
  expect(events.delivered + events.lost).toBe(events.emitted);
  expect(events.suppressed).toBe(0);
  expect(sent).toBeGreaterThan(100_000);
  expect(cores).toBeLessThan(1);
  expect(queries.count).toBeGreaterThan(2);
  expect(queries.median).toBeLessThan(200);
}, 60_000);

it('runFlowStorm() finds most of a flood kept back where a pod may say only so much', async () => {
  const { sent, events } = await runFlowStorm({ seconds: 2, perSecond: 50_000, flowLimit: 1000 });
  expect(events.emitted + events.suppressed).toBe(2 * sent);
  expect(events.delivered + events.lost).toBe(events.emitted);
  expect(events.emitted).toBeLessThan(10_000);
}, 60_000);
