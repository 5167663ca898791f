// @ts-check

/** One line for each step that is done; on a terminal, below them, what is being done and for how long. Writes to standard error. */
export class Progress {
  #output;
  #started = performance.now();
  /** @type {Map<string, number>} */
  #running = new Map();
  /** @type {NodeJS.Timeout | null} */
  #timer = null;

  /** @param {NodeJS.WriteStream} output */
  constructor(output) {
    this.#output = output;
  }

  /**
   * Runs one step and tells of it.
   * @template T
   * @param {string} name
   * @param {() => Promise<T>} work
   */
  async step(name, work) {
    const started = performance.now();
    this.#running.set(name, started);
    this.#timer ??= this.#output.isTTY ? setInterval(() => this.#draw(), 120).unref() : null;
    try {
      const result = await work();
      this.line(`done   ${name.padEnd(34)} ${seconds(started)}`);
      return result;
    } catch (error) {
      this.line(`failed ${name.padEnd(34)} ${seconds(started)}`);
      throw error;
    } finally {
      this.#running.delete(name);
      if (this.#running.size === 0) this.close();
    }
  }

  /** @param {string} text */
  line(text) {
    this.#clear();
    this.#output.write(`${text}\n`);
  }

  /** The time since the first step, in words. */
  total() {
    return seconds(this.#started);
  }

  close() {
    if (this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
    this.#clear();
  }

  #clear() {
    if (this.#output.isTTY) this.#output.write('\r\x1b[K');
  }

  #draw() {
    const frame = '|/-\\'[Math.floor(performance.now() / 120) % 4];
    const names = [...this.#running].map(([name, started]) => `${name} ${seconds(started)}`);
    this.#clear();
    this.#output.write(`${frame} ${names.join(', ')}`.slice(0, (this.#output.columns ?? 80) - 1));
  }
}

/** @param {number} started as performance.now() */
function seconds(started) {
  return `${((performance.now() - started) / 1000).toFixed(1)} s`;
}
