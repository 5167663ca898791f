import { lastErrno } from './ffi.ts';
import { libc } from './libc.ts';
import { errnoName, SysError } from './sys-error.ts';

const LOCK_EX = 2;
const LOCK_NB = 4;

/**
 * Takes the whole file for this open file description, until it is closed: also by the kernel, when the process ends however it ends. See flock(2).
 * @returns false where somebody else has it. @throws SysError
 */
export function tryLockFile(fd: number): boolean {
  for (;;) {
    if (libc().flock(fd, LOCK_EX | LOCK_NB) === 0) return true;
    const errno = lastErrno();
    const name = errnoName(errno);
    if (name === 'EAGAIN' || name === 'EWOULDBLOCK') return false;
    if (name !== 'EINTR') throw new SysError(`flock(${fd})`, errno);
  }
}
