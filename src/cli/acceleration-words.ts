import type { AccelerationMode, AccelerationStatus } from '../api/types.ts';

/** Whether connections are accelerated, why, and what that has come to: one line. Pure. */
export function accelerationText(status: AccelerationStatus): string {
  const { mode, active, reason, sockets, messages, bytes, applications } = status;
  const state = `acceleration ${mode} is ${active ? 'on' : 'off'}: ${reason}`;
  const figures = `${sockets} sockets take part; ${messages} messages with ${bytes} bytes went past TCP`;
  const apps = applications === 'all' ? '; this kernel would let all applications take part unasked' : '';
  return `${state}; ${figures}${apps}`;
}

/** A choice of the command line, or null. */
export function modeOf(choice: string | null): AccelerationMode | null {
  return choice === 'auto' || choice === 'on' || choice === 'off' ? choice : null;
}
