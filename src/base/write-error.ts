import { dirname } from 'node:path';
import { UserError } from './errors.ts';

/** What the code of a failed write means, for the codes that say that the machine has no room or takes no writes. */
const reasons: Readonly<Record<string, string>> = {
  ENOSPC: 'the file system is full',
  EDQUOT: 'the quota of the file system is used up',
  EROFS: 'the file system is read-only',
  EIO: 'the disk fails',
};

/** Whether a write failed for the machine's reasons and not for those of whoever wrote. */
export function isDiskError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && Object.hasOwn(reasons, error.code);
}

/**
 * FILE_UNWRITABLE for a write that failed with isDiskError(); every other error as it came. `purpose` completes "Cannot …"; `path` is the file or folder
 * that was written, which a failed write itself does not name. `meanwhile` says what holds until it is mended: a sentence.
 */
export function asWriteError(error: unknown, purpose: string, path: string, meanwhile = ''): unknown {
  if (!isDiskError(error)) return error;
  const code = error.code ?? '';
  return new UserError('FILE_UNWRITABLE', `Cannot ${purpose} because ${reasons[code]} (${code}): ${path}`, {
    cure: `Free space there, or mount it writable, and do it again.${meanwhile === '' ? '' : ` ${meanwhile}`}`,
    command: `df -h ${dirname(path)}`,
    cause: error,
    data: { path, code },
  });
}
