import { expect, it } from 'vitest';
import { startFlowServer } from '../../test/support/flow-server.ts';
import { eventBytes, flowEvent } from '../../test/support/scripted-events.ts';
import { flowEventSize } from '../abi/gen/index.ts';
import { machineClocks } from './flow-service.ts';
import { hubbleClient } from './hubble/client.ts';
import type { EventSource } from './kernel-events.ts';

/** As many records as time has passed, at a rate; what the kernel's ring could not hold until they are fetched is lost. */
function storm(perSecond: number): EventSource & { stop(): void; readonly counts: { emitted: number; lost: number } } {
  const record = eventBytes(flowEvent());
  const held = 30_000;
  const counts = { emitted: 0, lost: 0 };
  let waiting = 0;
  let last = performance.now();
  let running = true;
  const pour = (): void => {
    const now = performance.now();
    const count = running ? Math.floor(((now - last) / 1000) * perSecond) : 0;
    if (count === 0) return;
    last = now;
    counts.emitted += count;
    const kept = Math.min(count, held - waiting);
    counts.lost += count - kept;
    waiting += kept;
  };
  return {
    counts,
    earlier: 0,
    stop: () => {
      running = false;
    },
    consume: (handler, maximum) => {
      pour();
      const count = Math.min(waiting, maximum);
      for (let index = 0; index < count; index++) handler(record, 0, flowEventSize);
      waiting -= count;
      return count;
    },
    onReadable: () => () => {},
    counters: () => ({ ...counts, suppressed: 0 }),
    [Symbol.dispose]: () => {},
  };
}

it('the flow service takes 100,000 drops a second, answers within 200 ms meanwhile, and counts exactly', async () => {
  const events = storm(100_000);
  await using server = await startFlowServer({ events, clocks: machineClocks });
  const client = hubbleClient(server.address, null);
  const request = { number: 20n, whitelist: [{ sourceLabel: ['app=sleep'], verdict: [2] }] };
  const latencies: number[] = [];
  for (let round = 0; round < 10; round++) {
    const started = performance.now();
    let answers = 0;
    for await (const { responseTypes } of client.getFlows(request)) answers += responseTypes.case === 'flow' ? 1 : 0;
    latencies.push(performance.now() - started);
    if (round > 0) expect(answers).toBe(20);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  // Somebody who follows everything cannot keep up, and is told what passed by.
  const abort = new AbortController();
  let followed = 0;
  let missed = 0;
  const follower = (async () => {
    for await (const { responseTypes } of client.getFlows({ follow: true }, { signal: abort.signal })) {
      if (responseTypes.case === 'flow') followed += 1;
      if (responseTypes.case === 'lostEvents') missed += Number(responseTypes.value.numEventsLost);
    }
  })().catch(() => undefined);
  await expect.poll(() => missed, { timeout: 10_000 }).toBeGreaterThan(0);
  abort.abort();
  await follower;
  events.stop();
  await expect.poll(() => server.service.totals().delivered + events.counts.lost).toBe(events.counts.emitted);
  expect(followed).toBeGreaterThan(0);
  expect(followed + missed).toBeLessThanOrEqual(server.service.totals().delivered);
  expect(events.counts.emitted).toBeGreaterThan(100_000);
  expect(latencies.sort((a, b) => a - b)[5]).toBeLessThan(200);
}, 30_000);
