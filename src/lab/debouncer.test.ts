import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Debouncer } from './debouncer.ts';

test('Debouncer.request() makes one run of many requests within the time', async () => {
  let runs = 0;
  const debouncer = new Debouncer(5, async () => {
    runs += 1;
  });
  for (let count = 0; count < 10; count += 1) debouncer.request();
  expect(runs).toBe(0);
  await debouncer.flush();
  expect(runs).toBe(1);
  expect(debouncer.busy).toBe(false);
});

test('Debouncer.request() during a run leads to one more, never to two at a time', async () => {
  let [runs, atOnce, most] = [0, 0, 0];
  const debouncer = new Debouncer(0, async () => {
    runs += 1;
    atOnce += 1;
    most = Math.max(most, atOnce);
    if (runs === 1) for (let count = 0; count < 3; count += 1) debouncer.request();
    await delay(5);
    atOnce -= 1;
  });
  debouncer.request();
  await debouncer.flush();
  expect([runs, most]).toEqual([2, 1]);
});

test('Debouncer.close() drops what waits', async () => {
  let runs = 0;
  const debouncer = new Debouncer(1, async () => {
    runs += 1;
  });
  debouncer.request();
  await debouncer.close();
  debouncer.request();
  await delay(10);
  expect(runs).toBe(0);
});
