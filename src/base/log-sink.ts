import { writeSync } from 'node:fs';

/** How long a line waits for a slow reader of a pipe before it is given up, in milliseconds. */
const patienceMs = 1000;
const restMs = 5;

/**
 * Where lines of a log go: a file descriptor, at once, so that nothing is lost when the process is killed. Never throws: a process that redirects must
 * not end because the disk of its log is full, or nobody reads its log any more. What could not be written is counted, and the count is the first
 * line once there is room again.
 */
export class LogSink {
  readonly #fd: number;
  /** The line that tells how many are missing. */
  readonly #tell: (lost: number, code: string) => string;
  #lost = 0;
  #code = '';
  /** Part of a line is there: the next one begins on a line of its own. */
  #cut = false;

  constructor(fd: number, tell: (lost: number, code: string) => string) {
    this.#fd = fd;
    this.#tell = tell;
  }

  /** `line` ends with a line feed. */
  write(line: string): void {
    try {
      if (this.#lost > 0) {
        this.#put(this.#tell(this.#lost, this.#code));
        this.#lost = 0;
      }
      this.#put(line);
    } catch (error) {
      this.#lost += 1;
      this.#code = codeOf(error);
    }
  }

  #put(line: string): void {
    const bytes = Buffer.from(this.#cut ? `\n${line}` : line);
    // once for a reader that has stopped, not for each of its lines
    const until = performance.now() + (this.#lost === 0 ? patienceMs : 0);
    let done = 0;
    try {
      while (done < bytes.length) {
        try {
          done += writeSync(this.#fd, bytes, done);
        } catch (error) {
          if (codeOf(error) !== 'EAGAIN' || performance.now() > until) throw error;
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, restMs);
        }
      }
      this.#cut = false;
    } catch (error) {
      // the line feed that ends a cut line counts as nothing of this one
      if (done > 0) this.#cut = done > 1 || !this.#cut;
      throw error;
    }
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : String(error);
}
