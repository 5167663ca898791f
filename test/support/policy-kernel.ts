import type { FlowEvent } from '../../src/abi/gen/index.ts';
import { Action, Counter, Drop, FlowType, readFlowEvent } from '../../src/abi/gen/index.ts';
import { BpfObject } from '../../src/kernel/index.ts';
import { RingReader } from '../../src/kernel/ring.ts';
import { ipcacheKey, rowKeyCodec } from '../../src/policy-tables/rows.ts';
import type { DataPlaneMaps } from '../../src/redirect/ebpf/maps.ts';
import { openMaps } from '../../src/redirect/ebpf/maps.ts';
import { changeSettings, readSettings } from '../../src/redirect/ebpf/settings.ts';
import { compileBpf } from './compile-bpf.ts';
import { mapped } from './packets.ts';

/** The pod that test packets come from or go to, at the loopback interface, where test runs take place. */
export const pod = { cookie: 4711n, identity: 257, address4: '10.0.0.2', address6: 'fd00::2' } as const;
/** 10.0.0.3 and fd00::3. */
export const peerIdentity = 300;
/** Of the test pod's subject. */
export const policyNumber = 7;
const loopback = 1;

export type Way = 'egress' | 'ingress';

/** One row of policy; what is left out is everything. */
export interface TestRow {
  readonly peer?: number;
  readonly direction?: Way;
  readonly protocol?: number;
  readonly port?: number;
  readonly portBits?: number;
  readonly action: keyof typeof Action;
  readonly rank?: number;
  readonly rule?: number;
  readonly tier?: 0 | 1 | 2;
  readonly policy?: number;
}

/** The policy programs with tables of their own; nothing is attached. */
export interface PolicyKernel extends Disposable {
  readonly maps: DataPlaneMaps;
  readonly object: BpfObject;
  /** Runs the program of one way on a frame. */
  run(way: Way, frame: Uint8Array, repeat?: number): 'pass' | 'drop';
  /** The events since the last call. */
  events(): FlowEvent[];
  /** `drop 133`, `verdict 0` …, of the events since the last call. */
  told(): string[];
  /** Takes connections and fragments away, and events unread. */
  forget(): void;
  counter(name: keyof typeof Counter): number;
}

/** Loads the programs. The test pod is known, its peer too, and no policy is enforced. */
export async function openPolicyKernel(): Promise<PolicyKernel> {
  const object = await BpfObject.load(compileBpf('bpf/tests/policy_only.bpf.c'), { name: 'policy' });
  const maps = openMaps(object);
  const ring = new RingReader(maps.flows.fd);
  maps.hostInterfaces.set(loopback, pod.cookie);
  setEndpoint(maps, {});
  setIdentity(maps, '10.0.0.3/32', peerIdentity);
  setIdentity(maps, 'fd00::3/128', peerIdentity);
  changeSettings(maps, { policyEpoch: 1, aggregation: 2, flowLimit: 0 });
  const programs = { egress: object.program('mr_policy_from_pod'), ingress: object.program('mr_policy_to_pod') };
  const events = (): FlowEvent[] => {
    const seen: FlowEvent[] = [];
    ring.consume((view, offset) => void seen.push(readFlowEvent(view, offset)), 1_000_000);
    return seen;
  };
  return {
    maps,
    object,
    run: (way, frame, repeat = 1) => {
      const { returned } = programs[way].testRun(frame, { repeat });
      if (returned !== 0xffff_ffff && returned !== 2) throw new Error(`the program returned ${returned}`);
      return returned === 2 ? 'drop' : 'pass';
    },
    events,
    told: () => events().map(wordsOf),
    forget: () => {
      for (const map of [maps.conntrack, maps.opening]) map.deleteMany([...map.keys()]);
      maps.fragments.deleteMany([...maps.fragments.keys()]);
      events();
    },
    counter: (name) => Number((maps.counters.getPerCpu(Counter[name]) ?? []).reduce((sum, value) => sum + value, 0n)),
    [Symbol.dispose]: () => {
      ring.close();
      for (const map of Object.values(maps)) map.close();
      object.close();
    },
  };
}

/** `verdict 133 reply`. */
function wordsOf({ type, subtype, flags }: FlowEvent): string {
  const kind =
    Object.entries(FlowType)
      .find(([, number]) => number === type)?.[0]
      .toLowerCase() ?? String(type);
  return [kind, String(subtype), ...((flags & 1) === 0 ? [] : ['reply']), ...((flags & 4) === 0 ? [] : ['audited'])].join(' ');
}

/** What the test pod is for policy; MR_ENDPOINT_ flags. */
export function setEndpoint(maps: DataPlaneMaps, { identity = pod.identity as number, flags = 0 }): void {
  maps.endpoints.set(pod.cookie, { identity, flags, addr4: mapped(pod.address4), addr6: mapped(pod.address6) });
}

export function setIdentity(maps: DataPlaneMaps, prefix: string, identity: number): void {
  maps.ipcache.set(ipcacheKey({ prefix }), { identity });
}

/** Enforces policy for the test pod in these ways: what no row allows is denied. Earlier rows go. */
export function enforce(maps: DataPlaneMaps, ways: readonly Way[], rows: readonly TestRow[]): void {
  maps.policy.deleteMany([...maps.policy.keys()]);
  for (const direction of ways) if (!rows.some((row) => isBase(row, direction))) setRow(maps, { direction, action: 'DEFAULT_DENY' });
  for (const row of rows) setRow(maps, row);
  const flags = (ways.includes('egress') ? 1 : 0) | (ways.includes('ingress') ? 2 : 0);
  maps.subjects.set(pod.identity, { policy: policyNumber, flags });
  bump(maps);
}

const isBase = (row: TestRow, direction: Way): boolean =>
  (row.direction ?? 'egress') === direction && row.protocol === undefined && row.peer === undefined;

/** Writes one row into one tier and leaves the other tiers of the same key as they are. */
export function setRow(maps: DataPlaneMaps, row: TestRow): void {
  const key = Buffer.alloc(rowKeyCodec.size);
  const protocol = row.protocol ?? 0;
  const portBits = row.portBits ?? (row.port === undefined ? 0 : 16);
  rowKeyCodec.write(new DataView(key.buffer, key.byteOffset, key.length), 0, {
    policy: row.policy ?? policyNumber,
    row: { peer: row.peer ?? 0, direction: row.direction ?? 'egress', protocol, port: row.port ?? 0, portBits },
  });
  const mapKey = maps.policy.codec.readKey(new DataView(key.buffer, key.byteOffset, key.length));
  const before = [...maps.policy.entries()].find(([known]) => JSON.stringify(known) === JSON.stringify(mapKey))?.[1].tiers;
  const tiers = [...(before ?? Array.from({ length: 3 }, () => ({ precedence: 0, rule: 0 })))];
  tiers[row.tier ?? 1] = { precedence: ((row.rank ?? 0) << 8) | Action[row.action], rule: row.rule ?? 0 };
  maps.policy.set(mapKey, { tiers });
}

/** Lets every connection be asked for again. */
export function bump(maps: DataPlaneMaps): void {
  changeSettings(maps, { policyEpoch: readSettings(maps).policyEpoch + 1 });
}

/** What a denied packet is told as: the verdict, then the drop. */
export const deniedBy = (code: Drop): string[] => [`verdict ${code}`, `drop ${code}`];
export { Drop };
