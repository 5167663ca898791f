import { AgentClient } from '../api/client.ts';
import { instancePaths } from '../api/paths.ts';

/** The client of the agent of one instance. */
export function agentClient(instance: string): AgentClient {
  return new AgentClient(instancePaths(instance).agentSocket);
}
