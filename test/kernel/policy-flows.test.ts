import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Cleanup } from '../../src/base/cleanup.ts';
import { changeSettings } from '../../src/redirect/ebpf/settings.ts';
import { frame4, icmp, protocols, tcp } from '../support/packets.ts';
import type { PolicyKernel } from '../support/policy-kernel.ts';
import { enforce, openPolicyKernel, pod } from '../support/policy-kernel.ts';

const cleanup = new Cleanup();
let kernel: PolicyKernel;
const denied = frame4({ protocol: protocols.tcp }, tcp(4000, 81));
/** Records that the ring holds: 128 bytes and a header of 8 each. */
const capacity = Math.floor(4_194_304 / 136);

beforeAll(async () => {
  kernel = cleanup.use(await openPolicyKernel());
});

afterAll(() => cleanup[Symbol.asyncDispose]());

beforeEach(() => {
  changeSettings(kernel.maps, { aggregation: 2, flowLimit: 0 });
  enforce(kernel.maps, ['egress', 'ingress'], []);
  kernel.forget();
});

const counts = () => ({
  emitted: kernel.counter('FLOW_EMITTED'),
  lost: kernel.counter('FLOW_LOST'),
  suppressed: kernel.counter('FLOW_SUPPRESSED'),
  dropped: kernel.counter('POLICY_DROPPED'),
  passed: kernel.counter('POLICY_PASSED'),
});

function since(before: ReturnType<typeof counts>): ReturnType<typeof counts> {
  const now = counts();
  return {
    emitted: now.emitted - before.emitted,
    lost: now.lost - before.lost,
    suppressed: now.suppressed - before.suppressed,
    dropped: now.dropped - before.dropped,
    passed: now.passed - before.passed,
  };
}

describe('the ring of flows', () => {
  it('counts exactly what did not fit: every event was delivered or lost', () => {
    const before = counts();
    const packets = 50_000;
    kernel.run('egress', denied, packets);
    const { emitted, lost, suppressed, dropped } = since(before);
    expect([dropped, emitted, suppressed]).toEqual([packets, 2 * packets, 0]);
    expect(kernel.events()).toHaveLength(emitted - lost);
    expect(emitted - lost).toBe(capacity);
    // and goes on when there is room again
    kernel.run('egress', denied);
    expect(kernel.told()).toEqual(['verdict 133', 'drop 133']);
  });

  it('takes so many events of one source within a second, and those of others all the same', () => {
    changeSettings(kernel.maps, { flowLimit: 10 });
    const before = counts();
    const packets = 1000;
    kernel.run('egress', denied, packets);
    const { emitted, lost, suppressed } = since(before);
    expect([emitted + suppressed, lost]).toEqual([2 * packets, 0]);
    // a second may begin meanwhile, and the run may move to another CPU
    expect(emitted).toBeGreaterThanOrEqual(10);
    expect(emitted).toBeLessThanOrEqual(40);
    expect(kernel.events()).toHaveLength(emitted);
    const other = 4712n;
    const row = kernel.maps.endpoints.get(pod.cookie);
    if (row === null) throw new Error('no endpoint');
    kernel.maps.endpoints.set(other, row);
    kernel.maps.hostInterfaces.set(1, other);
    kernel.run('egress', denied);
    expect(kernel.events().map(({ cookie }) => cookie)).toEqual([other, other]);
    kernel.maps.hostInterfaces.set(1, pod.cookie);
  });

  it('tells what a packet was: addresses, ports, type of ICMP, flags, length, time', () => {
    kernel.run('egress', denied);
    const started = process.hrtime.bigint();
    const [verdict, drop] = kernel.events();
    expect(drop).toEqual({ ...verdict, type: 1, timeNs: drop?.timeNs });
    expect(started - (verdict?.timeNs ?? 0n)).toBeLessThan(1_000_000_000n);
    expect(verdict).toMatchObject({
      cookie: pod.cookie,
      sport: 4000,
      dport: 81,
      protocol: 6,
      tcpFlags: 2,
      family: 4,
      length: 54,
      interface: 1,
    });
    expect(Buffer.from(verdict?.src ?? []).toString('hex')).toBe('00000000000000000000ffff0a000002');
    kernel.run('egress', frame4({ protocol: protocols.icmp }, icmp(8, 5, 77)));
    expect(kernel.events()[0]).toMatchObject({ sport: 0, dport: (8 << 8) | 5, protocol: 1 });
  });
});
