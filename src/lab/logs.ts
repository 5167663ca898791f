import type { FileHandle } from 'node:fs/promises';
import { open } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

const chunkBytes = 64 * 1024;
const pollMs = 100;
const lineFeed = 10;

export interface ReadLogOptions {
  /** Only the last lines; null: everything. */
  readonly tail: number | null;
  readonly follow: boolean;
  readonly signal: AbortSignal;
}

/**
 * The text of a log file in pieces, then, with `follow`, what is appended until the signal aborts or the file is removed with its pod. A file
 * that was cut (rotated) is read from its new beginning.
 */
export async function* readLog(path: string, { tail, follow, signal }: ReadLogOptions): AsyncGenerator<string> {
  const file = await openOrNull(path);
  if (file === null) return;
  try {
    let position = tail === null ? 0 : await tailStart(file, tail);
    // One decoder over all pieces: a character may lie across two of them.
    const decoder = new TextDecoder();
    for (;;) {
      const { size, nlink } = await file.stat();
      if (size < position) position = 0;
      while (position < size && !signal.aborted) {
        const { bytesRead, buffer } = await file.read(Buffer.alloc(Math.min(chunkBytes, size - position)), 0, null, position);
        if (bytesRead === 0) break;
        position += bytesRead;
        yield decoder.decode(buffer.subarray(0, bytesRead), { stream: true });
      }
      if (!follow || signal.aborted || nlink === 0) return;
      await delay(pollMs, undefined, { signal }).catch(() => undefined);
    }
  } finally {
    await file.close();
  }
}

/** The offset at which the last `lines` lines begin. */
async function tailStart(file: FileHandle, lines: number): Promise<number> {
  const { size } = await file.stat();
  let found = 0;
  let end = size;
  while (end > 0) {
    const begin = Math.max(0, end - chunkBytes);
    const { buffer } = await file.read(Buffer.alloc(end - begin), 0, end - begin, begin);
    for (let index = buffer.length - 1; index >= 0; index -= 1) {
      // The line feed at the very end closes the last line and begins none.
      if (buffer[index] !== lineFeed || begin + index === size - 1) continue;
      found += 1;
      if (found === lines) return begin + index + 1;
    }
    end = begin;
  }
  return lines === 0 ? size : 0;
}

/** A container that has not started yet has no log. */
async function openOrNull(path: string): Promise<FileHandle | null> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
