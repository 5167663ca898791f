import { setFlagsFromString } from 'node:v8';
import { giveFreedMemoryBack } from '../kernel/index.ts';

/**
 * Keeps the memory of this process near to what it uses. The agent runs on every node and does next to nothing most of the time, so it pays with a little
 * more garbage collection, while a large list of policies comes in, for not keeping that list's garbage afterwards: V8 would let the heap grow to a multiple
 * of what lives, and hold 32 MiB for what is young. For a process that is all the agent's; to be called before it does anything.
 */
export function keepMemorySmall(): void {
  // V8 asks it at every collection, so it holds although V8 runs already, and whoever starts the agent need not know of it
  setFlagsFromString('--optimize-for-size');
  giveFreedMemoryBack();
}

/**
 * Runs `work` without that: for what is large and seldom, as a cluster's whole list of policies, which many collections would hold up.
 * What is left of it goes with the next ones, some seconds later.
 */
export async function withRoomToWork<T>(work: () => Promise<T>): Promise<T> {
  setFlagsFromString('--no-optimize-for-size');
  try {
    return await work();
  } finally {
    setFlagsFromString('--optimize-for-size');
  }
}
