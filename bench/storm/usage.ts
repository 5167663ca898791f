import { readdirSync, readFileSync } from 'node:fs';
import { BpfMap, bytesCodec, closeFd, openById } from '../../src/kernel/index.ts';

/** What the agent, its maps and a pod's sockets take at one moment. */
export interface Usage {
  /** Entries of every map that can be walked, by name. */
  readonly entries: Readonly<Record<string, number>>;
  /** Bytes that the kernel says its maps take, those of sockets included, by name. */
  readonly mapBytes: Readonly<Record<string, number>>;
  /** Descriptors of the agent. */
  readonly descriptors: number;
  /** Resident memory of the agent, KiB. */
  readonly residentKiB: number;
  /**
   * TCP sockets of the pods that are open, or have no owner and are on their way out. What is kept with a socket (sk_storage) lives as long as
   * one of these does; what stays in TIME_WAIT is not a socket any more and keeps nothing.
   */
  readonly sockets: number;
}

/** The map types whose entries come and go. */
const walkable: ReadonlySet<string> = new Set(['HASH', 'LRU_HASH', 'LPM_TRIE', 'SOCKHASH']);

/** Reads all of it. `podPids` are processes in the pods' network namespaces. */
export function readUsage(agentPid: number, podPids: readonly number[]): Usage {
  const entries: Record<string, number> = {};
  const mapBytes: Record<string, number> = {};
  const descriptors = readdirSync(`/proc/${agentPid}/fd`);
  for (const { id, keySize, valueSize, bytes } of mapsOf(agentPid)) {
    const fd = openById('map', id);
    try {
      using map = BpfMap.fromFd(fd, bytesCodec(keySize, valueSize));
      mapBytes[map.info.name] = bytes;
      if (walkable.has(map.info.type)) entries[map.info.name] = map.count();
    } finally {
      closeFd(fd);
    }
  }
  return {
    entries,
    mapBytes,
    descriptors: descriptors.length,
    residentKiB: Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${agentPid}/status`, 'utf8'))?.[1]),
    sockets: podPids.reduce((sum, pid) => sum + socketsOf(pid), 0),
  };
}

interface OpenMap {
  readonly id: number;
  readonly keySize: number;
  readonly valueSize: number;
  readonly bytes: number;
}

/** The BPF maps that a process holds, each once, as its descriptors describe them. */
function mapsOf(pid: number): readonly OpenMap[] {
  const found = new Map<number, OpenMap>();
  for (const name of readdirSync(`/proc/${pid}/fdinfo`)) {
    const text = readOrEmpty(`/proc/${pid}/fdinfo/${name}`);
    const field = (key: string) => Number(new RegExp(`^${key}:\\s+(\\d+)$`, 'm').exec(text)?.[1]);
    const id = field('map_id');
    if (Number.isNaN(id)) continue;
    found.set(id, { id, keySize: field('key_size'), valueSize: field('value_size'), bytes: field('memlock') });
  }
  return [...found.values()];
}

/** Of both families, the listeners too. */
function socketsOf(pid: number): number {
  const text = readFileSync(`/proc/${pid}/net/sockstat`, 'utf8') + readFileSync(`/proc/${pid}/net/sockstat6`, 'utf8');
  const [, inuse = '0', orphan = '0'] = /^TCP: inuse (\d+) orphan (\d+)/m.exec(text) ?? [];
  const [, inuse6 = '0'] = /^TCP6: inuse (\d+)/m.exec(text) ?? [];
  return [inuse, orphan, inuse6].reduce((sum, count) => sum + Number(count), 0);
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // The descriptor was closed between the list and the look.
    return '';
  }
}

/** How far the agent's resident memory may move: a garbage collected heap breathes, and a leak of 60 seconds of storm is far more. */
const breathKiB = 24 * 1024;

/** What grew, each in a line; nothing when everything is where it was. Pure. */
export function growthOf(before: Usage, after: Usage): readonly string[] {
  const grown = (what: string, from: Readonly<Record<string, number>>, to: Readonly<Record<string, number>>) =>
    Object.entries(to).flatMap(([name, value]) => (value > (from[name] ?? 0) ? [`${what} of ${name}: ${from[name] ?? 0} → ${value}`] : []));
  const counts: readonly (readonly [string, number, number, number])[] = [
    ['descriptors of the agent', before.descriptors, after.descriptors, 0],
    ['KiB of the agent', before.residentKiB, after.residentKiB, breathKiB],
    ['sockets of the pods', before.sockets, after.sockets, 0],
  ];
  return [
    ...grown('entries', before.entries, after.entries),
    ...grown('bytes', before.mapBytes, after.mapBytes),
    ...counts.flatMap(([what, from, to, slack]) => (to > from + slack ? [`${what}: ${from} → ${to}`] : [])),
  ];
}
