import { readFileSync } from 'node:fs';
import type { DataPlane } from '../redirect/ebpf/data-plane.ts';

/** What must not grow while connections come and go. */
export interface Footprint {
  /** Resident memory of the stand-in proxies and of this process, kibibytes. */
  readonly proxyMemory: number;
  readonly ownMemory: number;
  /** Rows by table. */
  readonly rows: Readonly<Record<string, number>>;
}

/** What belongs to connections and is in the kernel when none is open should be nothing. */
const tables = ['accelerated', 'peers', 'handovers'] as const;

/** Looks at memory and tables now. */
export function footprint(plane: DataPlane, proxies: readonly number[]): Footprint {
  const { maps } = plane;
  // the rows of a sock map cannot be read, only named
  const rows = tables.map((table) => [table, count(maps[table].keys())] as const);
  return {
    proxyMemory: proxies.reduce((sum, pid) => sum + residentMemory(pid), 0),
    ownMemory: residentMemory(process.pid),
    rows: Object.fromEntries(rows),
  };
}

function count(items: Iterable<unknown>): number {
  let found = 0;
  for (const _ of items) found += 1;
  return found;
}

function residentMemory(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
}

/** Kibibytes and rows by which something may be larger at the end than after the first round. */
const memoryAllowance = 32 * 1024;
const rowAllowance = 64;

/** What grew between two looks, in words; empty when nothing did. Pure. */
export function growth(before: Footprint, after: Footprint): readonly string[] {
  const grown: string[] = [];
  if (after.proxyMemory > before.proxyMemory + memoryAllowance) {
    grown.push(`the proxies' memory grew from ${before.proxyMemory} to ${after.proxyMemory} KiB`);
  }
  for (const [table, rows] of Object.entries(after.rows)) {
    const earlier = before.rows[table] ?? 0;
    if (rows > earlier + rowAllowance) grown.push(`the table ${table} grew from ${earlier} to ${rows} rows`);
  }
  return grown;
}
