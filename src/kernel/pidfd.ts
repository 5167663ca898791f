import { check, libc } from './libc.ts';

const PIDFD_OPEN = 434;
const PIDFD_GETFD = 438;

/** A descriptor of a process (Linux ≥ 5.3), readable when it ends. The caller owns it. @throws SysError ESRCH */
export function pidfdOpen(pid: number): number {
  return check(libc().syscallInts(PIDFD_OPEN, pid, 0, 0), `pidfd_open(${pid})`);
}

/**
 * A copy of another process's descriptor (Linux ≥ 5.6): the same open file, close-on-exec, the caller's. Needs the rights to trace it.
 * @throws SysError EBADF, ESRCH, EPERM
 */
export function pidfdGetFd(pidfd: number, targetFd: number): number {
  return check(libc().syscallInts(PIDFD_GETFD, pidfd, targetFd, 0), `pidfd_getfd(${pidfd}, ${targetFd})`);
}
