import { expect, test } from 'vitest';
import { compileBpf } from '../../test/support/compile-bpf.ts';
import { BpfObject } from '../kernel/object.ts';
import { FdPoller } from '../kernel/poller.ts';
import { kernelEvents } from './kernel-events.ts';

test('kernelEvents() tells of a ring that has records, hands them out, and lets go of it', async () => {
  using object = await BpfObject.load(compileBpf('bpf/tests/kernel_objects.bpf.c'), { name: 'events' });
  using ring = object.map('events');
  using poller = new FdPoller();
  const source = kernelEvents(poller, ring, () => ({ emitted: 3, lost: 0, suppressed: 0 }));
  let told = 0;
  const stop = source.onReadable(() => {
    told += 1;
    stop();
  });
  object.program('emit').testRun(Buffer.alloc(64), { repeat: 3 });
  await expect.poll(() => told).toBe(1);
  const seen: number[] = [];
  const read = (maximum: number) => source.consume((view, offset) => seen.push(Number(view.getBigUint64(offset, true))), maximum);
  expect([read(2), read(2), read(2)]).toEqual([2, 1, 0]);
  expect(seen).toEqual([0, 1, 2]);
  expect(source.counters()).toEqual({ emitted: 3, lost: 0, suppressed: 0 });
  source[Symbol.dispose]();
  expect(() => read(1)).toThrow('closed');
});
