import { callUnixSocket } from '../api/client.ts';
import { UserError } from '../base/errors.ts';
import type { AgentConfig } from './config.ts';

/** Throws UserError AGENT_RUNNING while an agent of this instance answers. `purpose` completes "Cannot …". */
export async function assertNotRunning(config: AgentConfig, purpose: string): Promise<void> {
  try {
    await callUnixSocket(config.socket, 'GET', '/v1/pods', undefined);
  } catch (error) {
    // whoever refuses is there too
    if (error instanceof UserError && error.code === 'AGENT_UNREACHABLE') return;
  }
  throw alreadyRunning(config, purpose);
}

/** The failure itself, for the moment in which the socket is taken. */
export function alreadyRunning(config: AgentConfig, purpose: string): UserError {
  return new UserError('AGENT_RUNNING', `Cannot ${purpose} because an agent of instance ${config.instance} answers on ${config.socket}`, {
    cure: 'Stop that one first, or choose another name with --instance.',
  });
}
