import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
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
  /** What is read now; null while there is no log. It goes on to be read to its end after it was renamed. */
  file: FileHandle | null;
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
 * earlier agent. One that was cut is read from its beginning; one that was renamed is read to its end before its successor. Owns its timer and the
 * files, one for each log.
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
    for (const [path, at] of this.#positions) {
      if (paths.has(path)) continue;
      this.#positions.delete(path);
      await at.file?.close();
    }
    for (const log of logs) {
      if (this.#closed) return;
      await this.#follow(log).catch((err: unknown) => this.#options.log.debug({ err, path: log.path }, 'an access log could not be read'));
    }
  }

  async #follow({ path, addresses }: AccessLog): Promise<void> {
    const known = this.#positions.get(path);
    const at = known ?? { file: null, inode: 0n, offset: 0, rest: '' };
    this.#positions.set(path, at);
    if (at.file !== null) await this.#read(at, at.file, addresses);
    const now = await stat(path, { bigint: true }).catch(() => null);
    // a pipe in its place would hold us for ever
    if (now === null || !now.isFile() || now.ino === at.inode) return;
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    await at.file?.close();
    Object.assign(at, { file, inode: now.ino, offset: known === undefined ? Number(now.size) : 0, rest: '' });
    await this.#read(at, file, addresses);
  }

  async #read(at: Position, file: FileHandle, addresses: readonly string[]): Promise<void> {
    const { size } = await file.stat();
    if (size < at.offset) Object.assign(at, { offset: 0, rest: '' });
    if (size === at.offset) return;
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
    for (const { file } of this.#positions.values()) await file?.close();
    this.#positions.clear();
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
