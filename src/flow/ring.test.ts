import { describe, expect, it } from 'vitest';
import { flowWorld, worldClocks } from '../../test/support/flow-world.ts';
import { eventBytes, flowEvent } from '../../test/support/scripted-events.ts';
import { FlowRing } from './ring.ts';
import { WallClock } from './wall-clock.ts';

function ringOf(capacity: number): FlowRing {
  return new FlowRing({
    capacity,
    clock: new WallClock(worldClocks),
    context: { directory: flowWorld, rules: flowWorld, nodeName: 'n', clusterName: 'default', emitter: { name: 'Millrace', version: '1' } },
    random: Uint8Array.from({ length: 10 }, () => 0xff),
  });
}

const record = (sport: number) => eventBytes(flowEvent({ sport, timeNs: BigInt(sport) }));

describe('FlowRing', () => {
  it('keeps the newest entries under numbers that never repeat', () => {
    const ring = ringOf(3);
    for (let sport = 0; sport < 5; sport++) ring.appendRecord(record(sport), 0);
    expect([ring.start, ring.end, ring.flows]).toEqual([2, 5, 5]);
    expect(ring.at(1)).toBeNull();
    expect(ring.at(5)).toBeNull();
    expect(ring.timeNsAt(1)).toBeNull();
    expect(ring.at(2)).toMatchObject({ flow: { l4: { protocol: { value: { sourcePort: 2 } } } } });
  });

  it('gives a flow the same uuid each time, version 4, and another one to each flow', () => {
    const ring = ringOf(2);
    ring.appendRecord(record(1), 0);
    ring.appendRecord(record(2), 0);
    const uuids = [0, 1, 0].map((number) => {
      const entry = ring.at(number);
      return entry?.kind === 'flow' ? entry.flow.uuid : '';
    });
    expect(uuids).toEqual(['ffffffff-ffff-4fff-bfff-000000000000', 'ffffffff-ffff-4fff-bfff-000000000001', uuids[0]]);
  });

  it('does not count losses as flows', () => {
    const ring = ringOf(4);
    ring.appendLost({ source: 1, numEventsLost: 7n });
    expect([ring.end, ring.flows]).toEqual([1, 0]);
    expect(ring.at(0)).toMatchObject({ kind: 'lost', lost: { numEventsLost: 7n } });
  });

  it('wakes who waits for an entry, and lets go of who gave up', async () => {
    const ring = ringOf(2);
    const abort = new AbortController();
    const given = ring.until(5, abort.signal);
    const waited = ring.until(0, new AbortController().signal);
    ring.appendRecord(record(1), 0);
    ring.wake();
    await waited;
    abort.abort();
    await given;
  });
});

describe('WallClock', () => {
  it('follows a machine whose clock is set, and not small differences', () => {
    let wallMs = 1000;
    const clock = new WallClock({ monotonicNs: () => 0n, wallMs: () => wallMs });
    wallMs = 1010;
    clock.sync();
    expect(clock.nowNs()).toBe(1_000_000_000n);
    wallMs = 5000;
    clock.sync();
    expect(clock.nowNs()).toBe(5_000_000_000n);
  });
});
