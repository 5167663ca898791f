import { closeSync, copyFileSync, existsSync, openSync, readSync, statSync, truncateSync } from 'node:fs';

/** A log may grow to this many bytes; then it becomes `NAME.log.1` (one is kept) and starts again. */
export const logLimit = 16 * 1024 * 1024;

/**
 * Rotates a log whose writer keeps it open: copied, then cut. Lines written between the two are lost, which a container that wrote 16 MiB
 * can bear; the writers append, so they go on at the new end.
 */
export function rotateLog(path: string, limit = logLimit): boolean {
  if (!existsSync(path) || statSync(path).size < limit) return false;
  copyFileSync(path, `${path}.1`);
  truncateSync(path);
  return true;
}

/** The last `count` lines of a file, without reading more of it than 64 KiB; empty when there is none. */
export function lastLines(path: string, count: number): readonly string[] {
  if (!existsSync(path)) return [];
  const size = statSync(path).size;
  const length = Math.min(size, 64 * 1024);
  const bytes = Buffer.alloc(length);
  const fd = openSync(path, 'r');
  try {
    readSync(fd, bytes, 0, length, size - length);
  } finally {
    closeSync(fd);
  }
  return bytes
    .toString('utf8')
    .split('\n')
    .filter((line) => line !== '')
    .slice(-count);
}
