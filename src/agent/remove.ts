import { rm, rmdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { removeTestLeftovers } from '../accelerate/test-program.ts';
import { detachPinned, pinsAt, removePins } from '../redirect/ebpf/pins.ts';
import type { AgentConfig } from './config.ts';
import { damagedPath, operatorPath } from './desired-policies.ts';
import { namesPath } from './names-file.ts';
import { assertNotRunning } from './running.ts';

/**
 * Takes everything of an instance out of the kernel: links are detached at once, then all names are removed. Throws UserError AGENT_RUNNING
 * while its agent answers, because that one would put it back.
 */
export async function removeEverything(config: AgentConfig): Promise<void> {
  await assertNotRunning(config, `remove instance ${config.instance}`);
  const pins = pinsAt(config.pins);
  await detachPinned(pins);
  await removePins(pins);
  await removeTestLeftovers(config.cgroup);
  const { state, policyState, accelerationFile, socket, flows } = config;
  const policies = [policyState, operatorPath(policyState), namesPath(policyState)].flatMap((file) => [file, damagedPath(file)]);
  for (const file of [state, ...policies, accelerationFile, socket, flows.hubbleSocket]) await rm(file, { force: true });
  // Both are ours alone, unless a lab of this name, or another instance, still has files there.
  const folder = dirname(state);
  for (const path of [folder, dirname(folder), ...ownCgroups(config)]) await rmdir(path).catch(() => undefined);
}

/** The cgroups that the agent made because it was told of none: CGROUP2/millrace/INSTANCE/pods and above. The kernel keeps those that hold somebody. */
function ownCgroups({ cgroup, instance }: AgentConfig): readonly string[] {
  if (!cgroup.endsWith(`/millrace/${instance}/pods`)) return [];
  return [cgroup, dirname(cgroup), dirname(dirname(cgroup))];
}
