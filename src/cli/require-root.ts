import { exitCodes, UserError } from '../base/errors.ts';

/** Throws UserError MACHINE_NOT_ROOT (exit code 3) unless the process has uid 0. `purpose` completes "Cannot …". */
export function requireRoot(purpose: string): void {
  const uid = process.geteuid?.() ?? -1;
  if (uid === 0) return;
  throw new UserError('MACHINE_NOT_ROOT', `Cannot ${purpose} because it needs root: current uid ${uid}`, {
    cure: 'Run it as root.',
    command: `sudo ${process.argv.slice(1).join(' ')}`,
    exitCode: exitCodes.machine,
  });
}
