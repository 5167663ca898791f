import { constants } from 'node:os';
import { getSystemErrorMap } from 'node:util';
import { MillraceError } from '../base/errors.ts';

/**
 * Names that the system's own list has not, or has second. ENOTSUPP never should leave the kernel, but bpf(2) returns it for operations a map
 * type lacks. 95 is EOPNOTSUPP wherever the kernel or a manual page speaks of it; the C library has ENOTSUP for it too.
 */
const kernelErrno: readonly (readonly [number, string])[] = [
  [524, 'ENOTSUPP'],
  [95, 'EOPNOTSUPP'],
];

let names: Map<number, string> | null = null;

/** The symbolic name of a positive errno (2 → 'ENOENT'), or `E<number>` for one that this system does not name. */
export function errnoName(errno: number): string {
  if (names === null) {
    names = new Map(kernelErrno);
    for (const [name, number] of Object.entries(constants.errno)) if (!names.has(number)) names.set(number, name);
  }
  return names.get(errno) ?? `E${errno}`;
}

/** A system call that failed. `errno` is symbolic ('ENOENT'); `call` names the call and its main argument. */
export class SysError extends MillraceError {
  override readonly name = 'SysError';
  readonly errno: string;
  readonly call: string;

  /** `errno` is the positive number that the call left. */
  constructor(call: string, errno: number, data: Record<string, unknown> = {}) {
    const name = errnoName(errno);
    const text = getSystemErrorMap().get(-errno)?.[1];
    super('SYS', `Cannot complete ${call} because the kernel said ${name}${text === undefined ? '' : `: ${text}`}`, {
      data: { ...data, call, errno: name },
    });
    this.errno = name;
    this.call = call;
  }
}

/** Whether `error` is a SysError with one of these symbolic errnos. */
export function isSysError(error: unknown, ...errnos: readonly string[]): error is SysError {
  return error instanceof SysError && errnos.includes(error.errno);
}
