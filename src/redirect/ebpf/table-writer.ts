import type { Group, GroupKey, Port, PortKey, Range, RangeKey, Usage } from '../../abi/gen/index.ts';
import type { BpfMap } from '../../kernel/index.ts';
import type { DataPlaneMaps } from './maps.ts';
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

/**
 * Brings the kernel's rows of one pod to `tables`. Rows of addresses and ports come before the pod's own row when it is new, and stale ones
 * leave after it, so that no connection is decided by half a configuration that is more open than either the old or the new one.
 */
export function writePodTables(maps: DataPlaneMaps, tables: PodTables): TableChange {
  const ranges = difference(maps.ranges, tables.cookie, tables.ranges);
  const ports = difference(maps.ports, tables.cookie, tables.ports);
  const groups = difference(maps.groups, tables.cookie, tables.groups);
  maps.ranges.setMany(ranges.write);
  maps.ports.setMany(ports.write);
  maps.groups.setMany(groups.write);
  const unmeasured = maps.usage.get(tables.cookie) === null;
  if (unmeasured) maps.usage.set(tables.cookie, nothingUsed, 'noexist');
  const before = maps.pods.get(tables.cookie);
  const podChanged = before === null || fingerprint(before) !== fingerprint(tables.pod);
  if (podChanged) maps.pods.set(tables.cookie, tables.pod);
  const removed = maps.ranges.deleteMany(ranges.remove) + maps.ports.deleteMany(ports.remove) + maps.groups.deleteMany(groups.remove);
  return { written: ranges.write.length + ports.write.length + groups.write.length + (podChanged ? 1 : 0) + (unmeasured ? 1 : 0), removed };
}

/** Removes every row of a pod: its own first, which ends the redirection. */
export function removePodTables(maps: DataPlaneMaps, cookie: bigint): void {
  maps.pods.delete(cookie);
  maps.usage.delete(cookie);
  removeRows(maps.ranges, cookie);
  removeRows(maps.ports, cookie);
  removeRows(maps.groups, cookie);
  removeRows(maps.listenerAddrs, cookie);
  removeRows(maps.dnsServers, cookie);
  removeRows(maps.dnsQueries, cookie);
  removeRows(maps.dnsReplies, cookie);
  for (const key of [...maps.listeners.keys()].filter((key) => key.cookie === cookie)) maps.listeners.delete(key);
}

function removeRows<K extends { readonly cookie: bigint }, V>(map: BpfMap<K, V>, cookie: bigint): void {
  map.deleteMany([...map.keys()].filter((key) => key.cookie === cookie));
}

function difference<K extends RangeKey | PortKey | GroupKey, V extends Range | Port | Group>(
  map: BpfMap<K, V>,
  cookie: bigint,
  wanted: readonly (readonly [K, V])[],
) {
  const current = new Map<string, [K, V]>();
  for (const [key, value] of map.entries()) if (key.cookie === cookie) current.set(fingerprint(key), [key, value]);
  const write = wanted.filter(([key, value]) => {
    const known = current.get(fingerprint(key));
    return known === undefined || fingerprint(known[1]) !== fingerprint(value);
  });
  const kept = new Set(wanted.map(([key]) => fingerprint(key)));
  const remove = [...current].filter(([print]) => !kept.has(print)).map(([, [key]]) => key);
  return { write, remove };
}

/** Text that is equal for equal records; bigint and byte arrays have no JSON of their own. */
function fingerprint(record: object): string {
  return JSON.stringify(record, (_, value: unknown) => {
    if (typeof value === 'bigint') return value.toString();
    return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value;
  });
}
