import { open, stat } from 'node:fs/promises';
import type { Logger } from '../base/log.ts';

/** The log of one proxy, and the addresses of its pod. */
export interface AccessLog {
  readonly path: string;
  readonly addresses: readonly string[];
}

export interface AccessLogOptions {
  /** The logs of this moment; asked at every look. */
  readonly logs: () => readonly AccessLog[];
  readonly onLine: (line: string, addresses: readonly string[]) => void;
  /** Lines that came too fast, and were only counted. */
  readonly onSkipped: (count: number) => void;
  readonly log: Logger;
  /** Milliseconds between two looks, 200 unless told. */
  readonly everyMs?: number;
  /** Lines of one log that are read in one look, 500 unless told: a proxy under load writes more than anybody can watch. */
  readonly linesPerLook?: number;
}

interface Position {
  inode: bigint;
  offset: number;
  /** The end of a line that was not whole at the last look. */
  rest: string;
}

const pieceBytes = 256 * 1024;
/** A line that is longer is none of a proxy's. */
const longestLine = 64 * 1024;
const newline = 10;

/**
 * Reads what proxies append to their access logs. A log that is there when it is first looked at is read from its end: what is in it was told by an
 * earlier agent. One that was cut or replaced is read from its beginning. Owns its timer.
 */
export class AccessLogs implements AsyncDisposable {
  readonly #options: AccessLogOptions;
  readonly #positions = new Map<string, Position>();
  readonly #timer: NodeJS.Timeout;
  #looking: Promise<void> | null = null;
  #closed = false;

  constructor(options: AccessLogOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.look(), options.everyMs ?? 200);
  }

  /** Reads what was appended to all of them since the last look; happens by itself. */
  look(): Promise<void> {
    this.#looking ??= this.#lookNow().finally(() => {
      this.#looking = null;
    });
    return this.#looking;
  }

  async #lookNow(): Promise<void> {
    const logs = this.#options.logs();
    const paths = new Set(logs.map(({ path }) => path));
    for (const path of this.#positions.keys()) if (!paths.has(path)) this.#positions.delete(path);
    for (const log of logs) {
      if (this.#closed) return;
      await this.#read(log).catch((err: unknown) => this.#options.log.debug({ err, path: log.path }, 'an access log could not be read'));
    }
  }

  async #read({ path, addresses }: AccessLog): Promise<void> {
    const now = await stat(path, { bigint: true }).catch(() => null);
    const size = Number(now?.size ?? 0n);
    const inode = now?.ino ?? 0n;
    const at = this.#positions.get(path);
    if (at === undefined) return void this.#positions.set(path, { inode, offset: size, rest: '' });
    if (at.inode !== inode && at.inode !== 0n) Object.assign(at, { offset: 0, rest: '' });
    if (size < at.offset) Object.assign(at, { offset: 0, rest: '' });
    at.inode = inode;
    if (size === at.offset) return;
    await using file = await open(path, 'r');
    const piece = Buffer.alloc(Math.min(pieceBytes, size - at.offset));
    let left = this.#options.linesPerLook ?? 500;
    let skipped = 0;
    while (at.offset < size) {
      const { bytesRead } = await file.read(piece, 0, Math.min(piece.length, size - at.offset), at.offset);
      if (bytesRead === 0) break;
      at.offset += bytesRead;
      const bytes = piece.subarray(0, bytesRead);
      if (left === 0) {
        skipped += skipLines(at, bytes);
        continue;
      }
      const lines = (at.rest + bytes.toString('utf8')).split('\n');
      at.rest = (lines.pop() ?? '').slice(0, longestLine);
      const read = lines.slice(0, left);
      for (const line of read) this.#options.onLine(line, addresses);
      skipped += lines.length - read.length;
      left -= read.length;
    }
    if (skipped > 0) this.#options.onSkipped(skipped);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    await this.#looking;
  }
}

/** Counts the lines that end in `bytes`, and keeps the beginning of the next one. */
function skipLines(at: Position, bytes: Buffer): number {
  let count = 0;
  let last = -1;
  for (let index = bytes.indexOf(newline); index >= 0; index = bytes.indexOf(newline, index + 1)) {
    count += 1;
    last = index;
  }
  at.rest = (last < 0 ? at.rest + bytes.toString('utf8') : bytes.toString('utf8', last + 1)).slice(0, longestLine);
  return count;
}
