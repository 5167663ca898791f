import { rm } from 'node:fs/promises';
import { callUnixSocket } from '../api/client.ts';
import { UserError } from '../base/errors.ts';
import { detachPinned, pinsAt, removePins } from '../redirect/ebpf/pins.ts';
import type { AgentConfig } from './config.ts';

/**
 * Takes everything of an instance out of the kernel: links are detached at once, then all names are removed. Throws UserError AGENT_RUNNING
 * while its agent answers, because that one would put it back.
 */
export async function removeEverything(config: AgentConfig): Promise<void> {
  const running = await callUnixSocket(config.socket, 'GET', '/v1/pods', undefined).then(
    () => true,
    () => false,
  );
  if (running) {
    throw new UserError(
      'AGENT_RUNNING',
      `Cannot remove instance ${config.instance} because its agent is running: it answers on ${config.socket}`,
      {
        cure: 'Stop the agent first.',
      },
    );
  }
  const pins = pinsAt(config.pins);
  await detachPinned(pins);
  await removePins(pins);
  await rm(config.state, { force: true });
}
