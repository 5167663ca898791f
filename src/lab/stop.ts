import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { UserError } from '../base/errors.ts';
import { findCgroup2 } from '../kernel/index.ts';
import { LabClient } from './client.ts';
import { removeLeftovers } from './leftovers.ts';
import { lockOwner } from './lock.ts';
import { processStartTime, signalProcess } from './node/processes.ts';
import { labPaths } from './paths.ts';

const politeMs = 15_000;
const killedMs = 3000;
const pollMs = 10;

/**
 * Ends a lab and removes everything it made. A daemon that does not answer or does not end is killed, and its leftovers are removed here.
 * @returns stopped: one ran; cleaned: none ran, but there was something left; absent: there was nothing
 */
export async function stopLab(instance: string): Promise<'stopped' | 'cleaned' | 'absent'> {
  const paths = labPaths(instance, findCgroup2());
  const owner = lockOwner(paths.lock);
  const present = existsSync(paths.run) || existsSync(paths.cgroup);
  if (owner !== null) {
    try {
      await new LabClient(instance).down();
    } catch (error) {
      // Starting or ending already, or stuck: a signal is understood in any case.
      if (!(error instanceof UserError)) throw error;
      signalProcess(owner, 'SIGTERM');
    }
    if (!(await ends(paths.lock, owner, politeMs))) {
      signalProcess(owner, 'SIGKILL');
      await ends(paths.lock, owner, killedMs);
    }
  }
  await removeLeftovers(paths);
  if (owner !== null) return 'stopped';
  return present ? 'cleaned' : 'absent';
}

async function ends(lock: string, owner: number, withinMs: number): Promise<boolean> {
  const deadline = performance.now() + withinMs;
  while (performance.now() < deadline) {
    if (lockOwner(lock) !== owner && processStartTime(owner) === null) return true;
    await delay(pollMs);
  }
  return false;
}
