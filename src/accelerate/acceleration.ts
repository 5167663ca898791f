import type { AccelerationMode, AccelerationStatus } from '../api/types.ts';
import type { Logger } from '../base/log.ts';
import type { ChosenMode } from './mode-file.ts';
import { readMode, writeMode } from './mode-file.ts';
import type { SelfTestResult } from './report.ts';
import { failureText } from './report.ts';
import type { TestedNode } from './self-test.ts';
import { runSelfTest } from './self-test.ts';
import { removeTestLeftovers } from './test-program.ts';

export interface AccelerationOptions {
  readonly node: TestedNode;
  /** What the agent was started with. */
  readonly option: AccelerationMode;
  /** Where a mode is kept that was set while an agent ran. */
  readonly file: string;
  readonly log: Logger;
}

/** Turns acceleration on and off: never on without a self-test that passed in this process, and off at once. */
export class Acceleration implements AsyncDisposable {
  readonly #options: AccelerationOptions;
  #chosen: ChosenMode;
  #result: SelfTestResult | null = null;
  #testing = false;
  #abort = new AbortController();
  #queue: Promise<unknown> = Promise.resolve();

  private constructor(options: AccelerationOptions, chosen: ChosenMode) {
    this.#options = options;
    this.#chosen = chosen;
  }

  /**
   * Learns which mode holds. `off` takes effect here; what an earlier agent had on stays on until this one has tried it, so that no connection
   * notices a restart.
   */
  static async open(options: AccelerationOptions): Promise<Acceleration> {
    const acceleration = new Acceleration(options, await readMode(options.file, options.option));
    const { plane } = options.node;
    if (acceleration.#chosen.mode === 'off' || plane.acceleration === 'self-test') plane.setAcceleration('off');
    return acceleration;
  }

  /** Begins with what the mode asks for, in the background: nothing waits for it. */
  start(): void {
    void this.#follow();
  }

  /** Sets the mode and keeps it for the agents to come. Answers when it holds: at once for `off`, else after a self-test. @throws UserError FILE_UNWRITABLE; it holds all the same */
  async setMode(mode: AccelerationMode): Promise<AccelerationStatus> {
    const { file, option, node, log } = this.#options;
    this.#chosen = { mode, by: 'command' };
    this.#abort.abort();
    this.#abort = new AbortController();
    if (mode === 'off') node.plane.setAcceleration('off');
    try {
      await writeMode(file, mode, option);
    } finally {
      log.info({ reason: mode }, 'the mode of acceleration was set');
      await this.#follow();
    }
    return this.status();
  }

  status(): AccelerationStatus {
    const { plane } = this.#options.node;
    const counters = plane.counters();
    const count = (name: string): number => counters[name] ?? 0;
    return {
      mode: this.#chosen.mode,
      active: plane.acceleration === 'on',
      testing: this.#testing,
      reason: this.#reason(),
      applications: this.#result?.applications ?? null,
      checks: this.#result?.checks ?? [],
      testMs: this.#result?.durationMs ?? null,
      sockets: Math.max(0, count('accelerated_sockets') - count('accelerated_left')),
      messages: count('accelerated_messages'),
      bytes: count('accelerated_bytes'),
      reasons: Object.fromEntries(Object.entries(counters).filter(([name]) => /^(error_)?accelerate_/.test(name))),
    };
  }

  #reason(): string {
    const { mode, by } = this.#chosen;
    if (mode === 'off') return by === 'command' ? 'it was turned off by millrace accelerate off' : 'the agent was started with it off';
    if (this.#testing || this.#result === null) return 'the self-test is not over yet';
    return this.#result.usable
      ? `the self-test passed in ${this.#result.durationMs} ms`
      : `the self-test failed: ${failureText(this.#result)}`;
  }

  /** One after the other; whoever comes later has ended the test of those before. */
  #follow(): Promise<void> {
    const { signal } = this.#abort;
    const { node, log } = this.#options;
    const turn = this.#queue.then(async () => {
      if (signal.aborted) return;
      if (this.#chosen.mode !== 'off') return this.#test(signal);
      await removeTestLeftovers(node.cgroup);
    });
    this.#queue = turn.catch((err: unknown) => {
      if (!signal.aborted) log.error({ err }, 'acceleration could not be turned on or off');
    });
    return this.#queue.then(() => undefined);
  }

  async #test(signal: AbortSignal): Promise<void> {
    const { node, log } = this.#options;
    // what is on stays on meanwhile
    if (node.plane.acceleration !== 'on') node.plane.setAcceleration('self-test');
    this.#testing = true;
    try {
      const result = await runSelfTest(node, signal);
      signal.throwIfAborted();
      this.#result = result;
      node.plane.setAcceleration(result.usable ? 'on' : 'off');
      if (result.usable) return log.info({ durationMs: result.durationMs }, 'acceleration is on');
      const fields = { durationMs: result.durationMs, reason: failureText(result) };
      if (this.#chosen.mode === 'on') log.error(fields, 'acceleration was asked for and stays off because its self-test failed');
      else log.warn(fields, 'acceleration stays off because its self-test failed');
    } finally {
      this.#testing = false;
      if (node.plane.acceleration === 'self-test') node.plane.setAcceleration('off');
    }
  }

  /** Ends a test that runs. What is on stays on. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort();
    await this.#queue;
  }
}
