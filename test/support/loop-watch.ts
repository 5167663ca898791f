import { readFileSync } from 'node:fs';

/** How long the event loop was held in one go, in milliseconds. */
export interface LoopHolds {
  readonly median: number;
  readonly most: number;
}

/** Between two looks. */
const pauseMs = 1;

/**
 * Watches the event loop until `stop`: how long each turn took, without the time in which the thread was ready but other processes had the
 * processors. What blocks in the kernel counts; a busy machine does not.
 */
export function watchLoop(): { stop(): LoopHolds } {
  const turns: number[] = [];
  let before = look();
  let running = true;
  const turn = (): void => {
    const now = look();
    turns.push(Math.max(0, now.at - before.at - (now.waited - before.waited) - pauseMs));
    before = now;
    if (running) setTimeout(turn, pauseMs);
  };
  setTimeout(turn, pauseMs);
  return {
    stop: () => {
      running = false;
      turn();
      const sorted = turns.sort((a, b) => a - b);
      return { median: sorted[Math.floor(sorted.length / 2)] ?? 0, most: sorted.at(-1) ?? 0 };
    },
  };
}

/** The second field of schedstat: nanoseconds spent waiting for a processor (Documentation/scheduler/sched-stats.rst). */
function look(): { readonly at: number; readonly waited: number } {
  const waited = Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ')[1]) / 1e6;
  return { at: performance.now(), waited };
}
