import { closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { exitCodes, UserError } from '../base/errors.ts';
import { processStartTime } from './node/processes.ts';

/** The daemon that a lock file names, when it is alive. */
export function lockOwner(path: string): number | null {
  const [pid = '', started] = readIfThere(path).trim().split(' ');
  // A number can come back as another process; number and start time together cannot.
  return started !== undefined && processStartTime(Number(pid)) === started ? Number(pid) : null;
}

/** In one call: whoever ends a daemon looks on while it removes its lock. */
function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}

/**
 * Takes the instance for this process. A lock whose process is gone is taken over.
 * @throws UserError LAB_RUNNING
 */
export function takeLock(path: string, instance: string): void {
  for (let attempt = 0; attempt < 3; attempt += 1) {
    try {
      const fd = openSync(path, 'wx', 0o600);
      writeSync(fd, `${process.pid} ${processStartTime(process.pid) ?? '0'}\n`);
      closeSync(fd);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      const owner = lockOwner(path);
      if (owner !== null) throw labRunning(instance, owner);
      rmSync(path, { force: true });
    }
  }
  throw labRunning(instance, null);
}

export function labRunning(instance: string, pid: number | null): UserError {
  return new UserError(
    'LAB_RUNNING',
    `Cannot start the lab because one of this instance is running: ${instance}${pid === null ? '' : ` (process ${pid})`}`,
    {
      cure: 'Use the one that runs (lab apply, lab status), stop it, or choose another name with --instance.',
      command: `millrace lab down --instance ${instance}`,
      exitCode: exitCodes.failed,
    },
  );
}
