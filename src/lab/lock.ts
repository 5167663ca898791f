import { closeSync, fstatSync, ftruncateSync, mkdirSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { exitCodes, UserError } from '../base/errors.ts';
import { asWriteError } from '../base/write-error.ts';
import { tryLockFile } from '../kernel/index.ts';
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
 * An instance that is this process's alone: whoever has it makes and removes what belongs to the instance. The kernel keeps it (flock) and lets go of
 * it when the process ends, however that ends; the file only names the process. Owns a descriptor.
 */
export class LabLock implements Disposable {
  readonly #fd: number;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** @throws UserError LAB_RUNNING where another process has it, FILE_UNWRITABLE */
  static take(path: string, instance: string): LabLock {
    const lock = LabLock.tryTake(path);
    if (lock === null) throw labRunning(instance, lockOwner(path));
    return lock;
  }

  /** null where another process has it. @throws UserError FILE_UNWRITABLE */
  static tryTake(path: string): LabLock | null {
    for (;;) {
      const fd = openOrMake(path);
      if (fd === null) continue;
      try {
        if (!tryLockFile(fd)) {
          closeSync(fd);
          return null;
        }
        // whoever had it before has removed the file between our two calls: what we have is nobody's any more
        if (!isSameFile(fd, path)) {
          closeSync(fd);
          continue;
        }
        ftruncateSync(fd);
        writeSync(fd, `${process.pid} ${processStartTime(process.pid) ?? '0'}\n`);
        return new LabLock(fd);
      } catch (error) {
        closeSync(fd);
        throw asWriteError(error, 'take the lab for this process', path);
      }
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}

/** null where the folder is being removed: it is made anew the next time. */
function openOrMake(path: string): number | null {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    return openSync(path, 'a', 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw asWriteError(error, 'take the lab for this process', path);
  }
}

function isSameFile(fd: number, path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.ino === fstatSync(fd).ino;
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
