import { closeSync, existsSync, openSync, readSync, statSync } from 'node:fs';
import { open, stat, truncate } from 'node:fs/promises';

/** A log may grow to about this many bytes; then its end becomes `NAME.log.1` (one is kept) and it starts again. */
export const logLimit = 16 * 1024 * 1024;

const pieceBytes = 1024 * 1024;

/**
 * Rotates a log whose writer keeps it open: its last `limit` bytes are copied, then it is cut. Lines written between the two are lost, which a
 * container that wrote 16 MiB can bear; the writers append, so they go on at the new end. Never copies more than the limit, however much was
 * written meanwhile: some programs write gigabytes between two looks.
 * @returns whether it was long enough
 */
export async function rotateLog(path: string, limit = logLimit): Promise<boolean> {
  const { size } = await stat(path).catch(() => ({ size: -1 }));
  if (size < limit) return false;
  await copyEnd(path, `${path}.1`, size - limit, limit);
  await truncate(path);
  return true;
}

async function copyEnd(from: string, to: string, begin: number, length: number): Promise<void> {
  await using source = await open(from, 'r');
  await using target = await open(to, 'w', 0o600);
  const piece = Buffer.alloc(Math.min(length, pieceBytes));
  for (let done = 0; done < length; ) {
    const { bytesRead } = await source.read(piece, 0, Math.min(piece.length, length - done), begin + done);
    if (bytesRead === 0) return;
    await target.write(piece, 0, bytesRead);
    done += bytesRead;
  }
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
