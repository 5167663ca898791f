import { instancePaths } from '../api/paths.ts';
import { answers, otherInstances } from '../api/sockets.ts';
import { checkInstance } from './instance.ts';

/** `--instance` of commands that ask a running agent: `runningInstance` finds out whose where it is not given. */
export const runningInstanceOption = {
  kind: 'text',
  value: 'NAME',
  summary: 'which instance; unless given: default, or the one that runs where there is only one',
} as const;

/** The instance that a command means. Throws UserError USAGE for a name that is none. */
export async function runningInstance(given: string | null): Promise<string> {
  if (given !== null) return checkInstance(given);
  const preset = 'default';
  const { agentSocket } = instancePaths(preset);
  if (await answers(agentSocket)) return preset;
  const [only, ...more] = await otherInstances(agentSocket);
  return only !== undefined && more.length === 0 ? only : preset;
}
