import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { UserError } from '../base/errors.ts';
import { findCgroup2 } from '../kernel/index.ts';
import { LabClient } from './client.ts';
import { removeLeftovers } from './leftovers.ts';
import { LabLock, lockOwner } from './lock.ts';
import { processStartTime, signalProcess } from './node/processes.ts';
import { labPaths } from './paths.ts';

const politeMs = 15_000;
const killedMs = 3000;
const pollMs = 10;

/**
 * Ends a lab and removes everything it made. A daemon that does not answer or does not end is killed, and its leftovers are removed here. A lab that
 * somebody starts meanwhile is left alone.
 * @returns stopped: one ran; cleaned: none ran, but there was something left; absent: there was nothing
 * @throws UserError LAB_RUNNING where its process cannot be ended
 */
export async function stopLab(instance: string): Promise<'stopped' | 'cleaned' | 'absent'> {
  const paths = labPaths(instance, findCgroup2());
  if (!existsSync(paths.run) && !existsSync(paths.cgroup)) return 'absent';
  for (;;) {
    const owner = lockOwner(paths.lock);
    if (owner !== null) await endDaemon(instance, paths.lock, owner);
    using lock = LabLock.tryTake(paths.lock);
    if (lock !== null) await removeLeftovers(paths);
    if (owner !== null) return 'stopped';
    if (lock !== null) return 'cleaned';
    // one that starts just now, and has not said its name yet
    await delay(pollMs);
  }
}

async function endDaemon(instance: string, lock: string, owner: number): Promise<void> {
  try {
    await new LabClient(instance).down();
  } catch (error) {
    // Starting or ending already, or stuck: a signal is understood in any case.
    if (!(error instanceof UserError)) throw error;
    signalProcess(owner, 'SIGTERM');
  }
  if (await ends(lock, owner, politeMs)) return;
  signalProcess(owner, 'SIGKILL');
  if (await ends(lock, owner, killedMs)) return;
  throw new UserError('LAB_RUNNING', `Cannot stop the lab because its process does not end: ${instance} (process ${owner})`, {
    cure: 'It waits in the kernel: see what for, and stop the lab again.',
    command: `cat /proc/${owner}/stack`,
  });
}

async function ends(lock: string, owner: number, withinMs: number): Promise<boolean> {
  const deadline = performance.now() + withinMs;
  while (performance.now() < deadline) {
    if (lockOwner(lock) !== owner && processStartTime(owner) === null) return true;
    await delay(pollMs);
  }
  return false;
}
