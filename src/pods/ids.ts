import { UserError } from '../base/errors.ts';

/** One line of a uid_map or gid_map: `count` ids from `inside` on are the ids from `outside` on in the reader's user namespace. */
export interface IdRange {
  readonly inside: number;
  readonly outside: number;
  readonly count: number;
}

/** 2^32 - 1 is the kernel's "no such id" and never part of a map. */
const idLimit = 2 ** 32 - 1;
/** The kernel takes no more lines than this (UID_GID_MAP_MAX_EXTENTS, since 4.15). */
const maxLines = 340;

/**
 * Reads the text of /proc/PID/uid_map or gid_map: lines of three numbers, `inside outside count`. An empty text is a user namespace without a map:
 * no id has a meaning outside. Throws UserError ID_MAP_INVALID for a malformed line, an id over 2^32 - 2, or ranges that overlap.
 * Source: user_namespaces(7).
 */
export function parseIdMap(text: string): readonly IdRange[] {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  if (lines.length > maxLines) throw invalid(`it has more than ${maxLines} lines`, `${lines.length} lines`);
  const ranges = lines.map(parseLine);
  checkOverlap(ranges, 'inside');
  checkOverlap(ranges, 'outside');
  return ranges;
}

function parseLine(line: string): IdRange {
  const match = /^[ \t]*([0-9]{1,10})[ \t]+([0-9]{1,10})[ \t]+([0-9]{1,10})[ \t\r]*$/.exec(line);
  if (match === null) throw invalid('a line is not three whole numbers', line);
  const range = { inside: Number(match[1]), outside: Number(match[2]), count: Number(match[3]) };
  if (range.count === 0) throw invalid('a line maps no ids', line);
  if (range.inside + range.count > idLimit || range.outside + range.count > idLimit)
    throw invalid(`a line goes past id ${idLimit - 1}`, line);
  return range;
}

function checkOverlap(ranges: readonly IdRange[], side: 'inside' | 'outside'): void {
  const sorted = [...ranges].sort((a, b) => a[side] - b[side]);
  for (const [index, range] of sorted.entries()) {
    const next = sorted[index + 1];
    if (next !== undefined && range[side] + range.count > next[side]) {
      throw invalid(`two lines overlap in their ids ${side} the namespace`, `${describe(range)} and ${describe(next)}`);
    }
  }
}

function describe(range: IdRange): string {
  return `${range.inside} ${range.outside} ${range.count}`;
}

function invalid(reason: string, value: string): UserError {
  return new UserError('ID_MAP_INVALID', `Cannot read the id map because ${reason}: current value ${JSON.stringify(value.slice(0, 200))}`, {
    cure: 'Give the file as the kernel writes it: lines of INSIDE OUTSIDE COUNT.',
    command: 'cat /proc/PID/uid_map',
  });
}

/** The id that `inside` has outside the namespace, or null where the map says nothing of it (the kernel shows 65534 for such an id). */
export function toOutsideId(ranges: readonly IdRange[], inside: number): number | null {
  for (const range of ranges) {
    if (inside >= range.inside && inside < range.inside + range.count) return range.outside + (inside - range.inside);
  }
  return null;
}

/**
 * Ids of the pod's user namespace as the kernel's init namespace knows them. `mapText` null: the pod has no user namespace of its own and the ids
 * are what they are. An id without a mapping is left out: no process of the pod can have it. Throws UserError ID_MAP_INVALID.
 */
export function translateIds(mapText: string | null, ids: readonly number[]): readonly number[] {
  if (mapText === null) return ids;
  const ranges = parseIdMap(mapText);
  return ids.map((id) => toOutsideId(ranges, id)).filter((id) => id !== null);
}
