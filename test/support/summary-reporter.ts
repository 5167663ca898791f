import { setTimeout as sleep } from 'node:timers/promises';
import type { Reporter, SerializedError, TestModule } from 'vitest/node';
import { findTraces, leftBehind, othersAtWork, runMark } from './leftovers.ts';

/** How long what is being torn down may take to disappear, in milliseconds. */
const patience = 3000;

/**
 * Ends the run with the plain line `N passed, N failed, N skipped`, and fails it where the tests left something on the machine.
 * Must be the last reporter.
 */
export class SummaryReporter implements Reporter {
  readonly #run = `${process.pid}-${Date.now()}`;
  #before: readonly string[] = [];

  onInit(): void {
    // Workers and whatever the tests start inherit the mark.
    process.env[runMark] = this.#run;
    this.#before = findTraces(this.#run);
  }

  async onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly SerializedError[]): Promise<void> {
    const count = { passed: 0, failed: 0, skipped: 0, pending: 0 };
    for (const module of modules) {
      for (const test of module.children.allTests()) count[test.result().state] += 1;
      // A file that does not even load has no tests, and must not pass for an empty one.
      if (module.state() === 'failed' && module.errors().length > 0) count.failed += 1;
    }
    count.failed += unhandledErrors.length;
    const left = await this.#leftBehind();
    const others = left.length > 0 ? othersAtWork(this.#run) : [];
    // what carries our mark is ours, whoever else is at work
    const ours = others.length > 0 ? left.filter((trace) => trace.startsWith('process ')) : left;
    if (ours.length > 0) {
      count.failed += 1;
      process.exitCode = 1;
      process.stdout.write(`\nThe tests left this on the machine:\n${lines(ours)}`);
    } else if (left.length > 0) {
      process.stdout.write(
        `\nThis was not on the machine before:\n${lines(left)}It counts for nothing while others are at work:\n${lines(others)}`,
      );
    }
    process.stdout.write(`\n${count.passed} passed, ${count.failed} failed, ${count.skipped + count.pending} skipped\n`);
  }

  async #leftBehind(): Promise<readonly string[]> {
    const deadline = Date.now() + patience;
    let left = leftBehind(this.#before, findTraces(this.#run));
    while (left.length > 0 && Date.now() < deadline) {
      await sleep(100);
      left = leftBehind(this.#before, findTraces(this.#run));
    }
    return left;
  }
}

function lines(items: readonly string[]): string {
  return items.map((item) => `  ${item}\n`).join('');
}
