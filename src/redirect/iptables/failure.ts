import { UserError } from '../../base/errors.ts';

/** The failure for a program of iptables that exited with an error; `data.stderr` holds what it said. */
export function iptablesFailed(path: string, program: string, stderr: string): UserError {
  return new UserError('IPTABLES_FAILED', `Cannot write the rules of ${path} because ${program} refused: ${stderr.trim()}`, {
    cure: 'Read what the program said: an unknown user or group, a match that this kernel lacks, or rules held by another variant of iptables.',
    command: `nsenter --net=${path} iptables-save`,
    data: { program, stderr },
  });
}
