import { rm } from 'node:fs/promises';
import { detachPinned, pinsAt, removePins } from '../redirect/ebpf/pins.ts';
import type { AgentConfig } from './config.ts';
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
  await rm(config.state, { force: true });
}
