import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { argv, cpuUsage, execPath } from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { Counter, FlowType, flowEventOffsets } from '../../src/abi/gen/index.ts';
import type { BpfObject } from '../../src/kernel/index.ts';
import { FdPoller, Program, watchRing } from '../../src/kernel/index.ts';
import type { DataPlaneMaps } from '../../src/redirect/ebpf/maps.ts';
import { openMaps } from '../../src/redirect/ebpf/maps.ts';
import { changeSettings } from '../../src/redirect/ebpf/settings.ts';

/** What became of the events of a flood. */
export interface DropReport {
  readonly seconds: number;
  /** Packets that were denied. */
  readonly drops: number;
  /** Two events each. */
  readonly emitted: number;
  readonly delivered: number;
  readonly lost: number;
  readonly suppressed: number;
  /** emitted = delivered + lost, and two of each drop were emitted or suppressed. */
  readonly exact: boolean;
  /** Share of one processor that reading them took. */
  readonly processor: number;
}

const loopback = 1;
const perStep = 10;
const stepMilliseconds = 10;

/** A pod that may nothing, and another process that sends `rate` packets a second for it. `limit` is what each source may tell; 0: all. */
export async function measureDrops(object: BpfObject, pins: string, rate: number, seconds: number, limit: number): Promise<DropReport> {
  const maps = openMaps(object);
  const path = join(pins, 'flooded');
  const program = object.program('mr_policy_from_pod');
  const poller = new FdPoller();
  let delivered = 0;
  let drops = 0;
  const watch = watchRing(
    poller,
    maps.flows,
    (view, offset) => {
      delivered += 1;
      if (view.getUint8(offset + flowEventOffsets.type) === FlowType.DROP) drops += 1;
    },
    { maximum: 20_000, everyMilliseconds: 20 },
  );
  try {
    prepare(maps, limit);
    program.pin(path);
    const before = countersOf(maps);
    const usedBefore = cpuUsage();
    const started = performance.now();
    const child = spawn(execPath, [argv[1] ?? '', '--flood', path, '--rate', String(rate), '--seconds', String(seconds)], {
      stdio: 'inherit',
    });
    const [code] = (await once(child, 'exit')) as [number | null];
    if (code !== 0) throw new Error(`the process that floods ended with ${code}`);
    const elapsed = (performance.now() - started) / 1000;
    const { user, system } = cpuUsage(usedBefore);
    await sleep(200);
    const after = countersOf(maps);
    const [emitted, lost, suppressed] = [after.emitted - before.emitted, after.lost - before.lost, after.suppressed - before.suppressed];
    const dropped = after.dropped - before.dropped;
    return {
      seconds: elapsed,
      drops: dropped,
      emitted,
      delivered,
      lost,
      suppressed,
      exact:
        emitted === delivered + lost &&
        emitted + suppressed === 2 * dropped &&
        (lost + suppressed > 0 ? drops <= dropped : drops === dropped),
      processor: (user + system) / 1e6 / elapsed,
    };
  } finally {
    watch.close();
    poller.close();
    for (const map of Object.values(maps)) map.close();
  }
}

/** Runs in a process of its own: denied SYNs, `rate` a second. */
export async function flood(path: string, rate: number, seconds: number): Promise<void> {
  using program = Program.open(path);
  const end = performance.now() + seconds * 1000;
  const packets = Math.round((rate * stepMilliseconds) / 1000);
  for (let next = performance.now(); next < end; next += stepMilliseconds) {
    for (let part = 0; part < perStep; part += 1) program.testRun(syn, { repeat: Math.round(packets / perStep) });
    await sleep(Math.max(0, next + stepMilliseconds - performance.now()));
  }
}

/** 10.0.0.2:4000 to 10.0.0.3:5432. */
const syn = Buffer.from(
  '0200000000010200000000020800' + '4500002800010000400600000a0000020a000003' + '0fa015380000000000000000' + '5002000000000000',
  'hex',
);

function prepare(maps: DataPlaneMaps, limit: number): void {
  const cookie = 1n;
  const address = new Uint8Array([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 2]);
  const nothing = { precedence: 0, rule: 0 };
  maps.endpoints.set(cookie, { identity: 256, flags: 0, addr4: address, addr6: new Uint8Array(16) });
  maps.hostInterfaces.set(loopback, cookie);
  maps.subjects.set(256, { policy: 0xffff_fff0, flags: 1 });
  maps.policy.set(
    { prefixlen: 72, policy: 0xffff_fff0, peer: 0, direction: 1, protocol: 0, dport: 0 },
    { tiers: [nothing, { precedence: 1, rule: 1 }, nothing] },
  );
  changeSettings(maps, { flowLimit: limit, aggregation: 2 });
}

function countersOf(maps: DataPlaneMaps): { emitted: number; lost: number; suppressed: number; dropped: number } {
  const of = (index: number): number => Number((maps.counters.getPerCpu(index) ?? []).reduce((sum, value) => sum + value, 0n));
  return {
    emitted: of(Counter.FLOW_EMITTED),
    lost: of(Counter.FLOW_LOST),
    suppressed: of(Counter.FLOW_SUPPRESSED),
    dropped: of(Counter.POLICY_DROPPED),
  };
}
