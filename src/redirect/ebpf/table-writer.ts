import type { Group, GroupKey, Interface, InterfaceKey, Pod, Port, PortKey, Range, RangeKey, Usage } from '../../abi/gen/index.ts';
import { PodFlags, Size } from '../../abi/gen/index.ts';
import { MillraceError } from '../../base/errors.ts';
import type { Pace } from '../../base/pace.ts';
import type { BpfMap } from '../../kernel/index.ts';
import { isSysError } from '../../kernel/index.ts';
import type { DataPlaneMaps } from './maps.ts';
import { PodAddressRows } from './pod-addresses.ts';
import type { RowPlan } from './pod-rows.ts';
import { PodRows } from './pod-rows.ts';
import { ReleasedDestinations } from './released-destinations.ts';
import type { PodTables } from './tables.ts';

/** What a write changed; all zero when the kernel already had it. */
export interface TableChange {
  readonly written: number;
  readonly removed: number;
}

const nothingUsed: Usage = {
  handovers: 0,
  eventSeconds: Array.from({ length: 8 }, () => 0),
  eventCounts: Array.from({ length: 8 }, () => 0),
};

/** Under which keys programs may have kept something of a pod. */
interface Traces {
  readonly ports: Set<number>;
  dns: boolean;
  forwards: boolean;
}

/** Keeps the rows of all pods. Whoever uses it does one thing after another. */
export class PodTableWriter {
  readonly #maps: DataPlaneMaps;
  readonly #ranges: PodRows<RangeKey, Range>;
  readonly #ports: PodRows<PortKey, Port>;
  readonly #groups: PodRows<GroupKey, Group>;
  readonly #interfaces: PodRows<InterfaceKey, Interface>;
  readonly #addresses: PodAddressRows;
  readonly #traces = new Map<bigint, Traces>();
  readonly #destinations: ReleasedDestinations;

  constructor(maps: DataPlaneMaps) {
    this.#maps = maps;
    this.#ranges = new PodRows(maps.ranges);
    this.#ports = new PodRows(maps.ports);
    this.#groups = new PodRows(maps.groups);
    this.#interfaces = new PodRows(maps.interfaces);
    this.#addresses = new PodAddressRows(maps.podAddresses);
    this.#destinations = new ReleasedDestinations(maps);
  }

  /** Looks at what the kernel has: at the start, and whenever somebody else may have changed it. Some microseconds a row. */
  async learn(pace: Pace): Promise<void> {
    for (const rows of this.#all()) await rows.learn(pace);
    const forwarding = new Set(this.#interfaces.cookies());
    for (const [cookie, pod] of this.#maps.pods.entries()) this.#trace(cookie, pod, forwarding.has(cookie));
    for (const { cookie, port } of this.#maps.listenerAddrs.keys()) this.#traces.get(cookie)?.ports.add(port);
    await this.#destinations.remove(performance.now(), pace);
  }

  /** Every pod that has a row anywhere. */
  cookies(): ReadonlySet<bigint> {
    const rows = this.#all().map((table) => [...table.cookies()]);
    return new Set([...this.#maps.pods.keys(), ...rows.flat()]);
  }

  /**
   * Brings one pod's rows to `tables`: all of them, or, when it throws, none. Rows of addresses and ports come before the pod's own row when it
   * is new, and stale ones leave after it, so that no connection is decided by half a configuration that is more open than either the old or
   * the new one. A table without room is found before the first row is written: a row that is taken back a moment later would have decided the
   * connections of that moment. Throws MillraceError TABLE_FULL; SysError.
   */
  write(tables: PodTables): TableChange {
    const { cookie, pod } = tables;
    const plans: readonly (readonly [Full, RowPlan])[] = [
      [this.#ranges, this.#ranges.plan(cookie, tables.ranges)],
      [this.#ports, this.#ports.plan(cookie, tables.ports)],
      [this.#groups, this.#groups.plan(cookie, tables.groups)],
      [this.#interfaces, this.#interfaces.plan(cookie, tables.interfaces)],
      [this.#addresses, this.#addresses.plan(cookie, tables.addresses)],
    ];
    for (const [rows, plan] of plans) expectRoom(rows, plan);
    const undo: (() => void)[] = [];
    let own = 0;
    try {
      own += this.#writeUsage(cookie, undo);
      for (const [rows, plan] of plans) {
        undo.push(() => plan.revert());
        orFull(rows, plan.written, () => plan.write());
      }
      own += this.#writePod(cookie, pod);
    } catch (error) {
      for (const revert of undo.reverse()) revert();
      throw error;
    }
    this.#trace(cookie, pod, tables.interfaces.length > 0);
    for (const [, plan] of plans) plan.finish();
    return {
      written: plans.reduce((sum, [, { written }]) => sum + written, own),
      removed: plans.reduce((sum, [, { stale }]) => sum + stale, 0),
    };
  }

  #all() {
    return [this.#ranges, this.#ports, this.#groups, this.#interfaces, this.#addresses] as const;
  }

  #writeUsage(cookie: bigint, undo: (() => void)[]): number {
    const { usage, destinationCounts } = this.#maps;
    let written = 0;
    if (usage.get(cookie) === null) {
      orFull(filling(usage), 1, () => usage.set(cookie, nothingUsed, 'noexist'));
      undo.push(() => void usage.delete(cookie));
      written += 1;
    }
    if (destinationCounts.get(cookie) === null) {
      orFull(filling(destinationCounts), 1, () => destinationCounts.set(cookie, 0, 'noexist'));
      undo.push(() => void destinationCounts.delete(cookie));
      written += 1;
    }
    return written;
  }

  #writePod(cookie: bigint, pod: Pod): number {
    const before = this.#maps.pods.get(cookie);
    if (before !== null && fingerprint(before) === fingerprint(pod)) return 0;
    orFull(filling(this.#maps.pods), 1, () => this.#maps.pods.set(cookie, pod));
    return 1;
  }

  /** Removes every row of a pod: its own first, which ends the redirection. */
  async remove(cookie: bigint, pace: Pace): Promise<void> {
    this.#maps.pods.delete(cookie);
    this.#maps.usage.delete(cookie);
    for (const rows of this.#all()) rows.plan(cookie, []).finish();
    // a pod whose row was gone before anybody saw it may have left anything
    const { ports, dns, forwards } = this.#traces.get(cookie) ?? { ports: [], dns: true, forwards: true };
    for (const port of ports) this.#removeListeners(cookie, port);
    this.#traces.delete(cookie);
    this.#maps.destinationCounts.delete(cookie);
    this.#destinations.release(cookie);
    if (dns) {
      await sweep(this.#maps.dnsServers, cookie, pace);
      await sweep(this.#maps.dnsQueries, cookie, pace);
      await sweep(this.#maps.dnsReplies, cookie, pace);
    }
    if (forwards) {
      await sweep(this.#maps.forwards, cookie, pace);
      await sweep(this.#maps.forwardsBack, cookie, pace);
      await sweep(this.#maps.forwardOrigins, cookie, pace);
    }
  }

  #removeListeners(cookie: bigint, port: number): void {
    for (const family of [4, 6]) {
      this.#maps.listenerAddrs.delete({ cookie, port, family, slot: 0 });
      for (let slot = 0; slot < Size.LISTENER_SLOTS; slot += 1) this.#maps.listeners.delete({ cookie, port, family, slot });
    }
  }

  #trace(cookie: bigint, pod: Pod, forwards: boolean): void {
    const traces = this.#traces.get(cookie) ?? { ports: new Set(), dns: false, forwards: false };
    for (const port of [pod.outboundPort, pod.inboundPort, pod.dnsPort]) if (port !== 0) traces.ports.add(port);
    traces.dns ||= (pod.flags & PodFlags.DNS) !== 0;
    traces.forwards ||= forwards;
    this.#traces.set(cookie, traces);
  }
}

/** A table as far as it can be full. */
interface Full {
  readonly table: { readonly name: string; readonly maxEntries: number };
  readonly size: number;
}

function filling<K, V>(map: BpfMap<K, V>): Full {
  return {
    table: map.info,
    get size() {
      return map.count();
    },
  };
}

/** Refuses what has no room by what is known of the table. Rows of others in it, unseen until the next look, are met by `orFull`. */
function expectRoom(full: Full, { added, written }: RowPlan): void {
  if (added > 0 && full.size + added > full.table.maxEntries) throw tableFull(full, written);
}

/** Tells a table without room from everything else that a write can meet: hash tables say E2BIG, tries ENOSPC. */
function orFull(full: Full, rows: number, write: () => void): void {
  try {
    write();
  } catch (cause) {
    if (!isSysError(cause, 'E2BIG', 'ENOSPC')) throw cause;
    throw tableFull(full, rows, cause);
  }
}

function tableFull({ table: { name, maxEntries }, size }: Full, rows: number, cause?: Error): MillraceError {
  const text = `Cannot add ${rows} rows because the table ${name} is full: ${size} of ${maxEntries} rows are taken`;
  return new MillraceError('TABLE_FULL', text, {
    ...(cause === undefined ? {} : { cause }),
    data: { map: name, rows, taken: size, maxEntries },
  });
}

/** Removes a pod's rows from a table that only programs write. */
async function sweep<K extends { readonly cookie: bigint }, V>(map: BpfMap<K, V>, cookie: bigint, pace: Pace): Promise<void> {
  const keys: K[] = [];
  for (const key of map.keys()) {
    if (key.cookie === cookie) keys.push(key);
    if (pace.isDue) await pace.rest();
  }
  map.deleteMany(keys);
}

/** Text that is equal for equal records; bigint and byte arrays have no JSON of their own. */
function fingerprint(record: object): string {
  return JSON.stringify(record, (_, value: unknown) => (value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value));
}
