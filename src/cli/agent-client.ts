import { AgentClient } from '../api/client.ts';
import { instancePaths } from '../api/paths.ts';

/** The client of the agent of one instance, for a person: says which instances run where this one does not. */
export function agentClient(instance: string): AgentClient {
  return new AgentClient(instancePaths(instance).agentSocket, { suggest: true });
}
