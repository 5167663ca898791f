import { callUnixSocket } from '../api/client.ts';
import { UserError } from '../base/errors.ts';
import type { AgentConfig } from './config.ts';

/**
 * Throws UserError AGENT_RUNNING while an agent of this instance answers, or hangs: it may go on at any moment, and then two would write the same
 * tables. `purpose` completes "Cannot …".
 */
export async function assertNotRunning(config: Pick<AgentConfig, 'instance' | 'socket'>, purpose: string): Promise<void> {
  try {
    await callUnixSocket(config.socket, 'GET', '/v1/pods', undefined);
  } catch (error) {
    // whoever refuses is there too
    if (error instanceof UserError && error.code === 'AGENT_UNREACHABLE') {
      if (error.data.code !== 'ABORT_ERR') return;
      throw hanging(config, purpose);
    }
  }
  throw alreadyRunning(config, purpose);
}

/** The failure itself, for the moment in which the socket is taken. */
export function alreadyRunning(config: Pick<AgentConfig, 'instance' | 'socket'>, purpose: string): UserError {
  return new UserError('AGENT_RUNNING', `Cannot ${purpose} because an agent of instance ${config.instance} answers on ${config.socket}`, {
    cure: 'Stop that one first, or choose another name with --instance.',
  });
}

function hanging({ instance, socket }: Pick<AgentConfig, 'instance' | 'socket'>, purpose: string): UserError {
  return new UserError(
    'AGENT_RUNNING',
    `Cannot ${purpose} because an agent of instance ${instance} has ${socket} open and does not answer`,
    {
      cure: 'Let it go on (kill -CONT) or end it (kill -KILL): what it put into the kernel stays, and the next one takes it over.',
      command: `ss -xlp src ${socket}`,
    },
  );
}
