import type { Port, PortKey, Range, RangeKey } from '../../abi/gen/index.ts';
import type { BpfMap } from '../../kernel/index.ts';
import type { DataPlaneMaps } from './maps.ts';
import type { PodTables } from './tables.ts';

/** What a write changed; all zero when the kernel already had it. */
export interface TableChange {
  readonly written: number;
  readonly removed: number;
}

/**
 * Brings the kernel's rows of one pod to `tables`. Rows of addresses and ports come before the pod's own row when it is new, and stale ones
 * leave after it, so that no connection is decided by half a configuration that is more open than either the old or the new one.
 */
export function writePodTables(maps: DataPlaneMaps, tables: PodTables): TableChange {
  const ranges = difference(maps.ranges, tables.cookie, tables.ranges);
  const ports = difference(maps.ports, tables.cookie, tables.ports);
  maps.ranges.setMany(ranges.write);
  maps.ports.setMany(ports.write);
  const before = maps.pods.get(tables.cookie);
  const podChanged = before === null || fingerprint(before) !== fingerprint(tables.pod);
  if (podChanged) maps.pods.set(tables.cookie, tables.pod);
  const removed = maps.ranges.deleteMany(ranges.remove) + maps.ports.deleteMany(ports.remove);
  return { written: ranges.write.length + ports.write.length + (podChanged ? 1 : 0), removed };
}

/** Removes every row of a pod: its own first, which ends the redirection. */
export function removePodTables(maps: DataPlaneMaps, cookie: bigint): void {
  maps.pods.delete(cookie);
  maps.ranges.deleteMany([...maps.ranges.keys()].filter((key) => key.cookie === cookie));
  maps.ports.deleteMany([...maps.ports.keys()].filter((key) => key.cookie === cookie));
  for (const key of [...maps.listeners.keys()].filter((key) => key.cookie === cookie)) maps.listeners.delete(key);
  maps.listenerAddrs.deleteMany([...maps.listenerAddrs.keys()].filter((key) => key.cookie === cookie));
}

function difference<K extends RangeKey | PortKey, V extends Range | Port>(
  map: BpfMap<K, V>,
  cookie: bigint,
  wanted: readonly (readonly [K, V])[],
) {
  const current = new Map<string, [K, V]>();
  for (const [key, value] of map.entries()) if (key.cookie === cookie) current.set(fingerprint(key), [key, value]);
  const write = wanted.filter(([key, value]) => {
    const known = current.get(fingerprint(key));
    return known === undefined || known[1].flags !== value.flags;
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
