import { existsSync, readFileSync } from 'node:fs';
import { killCgroup, removeCgroup } from '../../kernel/index.ts';

/** Sends a signal; a process that is gone already is not an error. */
export function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Kills everything in a cgroup and below and removes it. Nothing happens when it does not exist. */
export async function clearCgroup(path: string): Promise<void> {
  if (!existsSync(path)) return;
  await killCgroup(path);
  removeCgroup(path);
}

/**
 * A process's start time in clock ticks since boot; with its id it names the process for good. null: no such process, or one that has ended and
 * waits for its parent to notice.
 */
export function processStartTime(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name in brackets may hold anything; field 22 is the 20th after its closing bracket.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? null : (fields[19] ?? null);
  } catch {
    // No such process.
    return null;
  }
}
