import type { Route } from '../api/server.ts';
import type { AgentStatus } from '../api/types.ts';
import type { Logger } from '../base/log.ts';
import { openNetns } from '../kernel/index.ts';
import type { DataPlane } from '../redirect/ebpf/data-plane.ts';
import type { AgentConfig } from './config.ts';
import { DesiredPolicies } from './desired-policies.ts';
import { parseNameAnswer } from './name-request.ts';
import { NamesFile, namesPath } from './names-file.ts';
import { PolicyManager } from './policy-manager.ts';
import { parsePolicies, parsePolicyName, parsePolicyUpdate, parseTrace } from './policy-request.ts';
import { withRoomToWork } from './process-memory.ts';

/** The manager of an agent, with what an earlier one was asked for. Throws UserError NETNS_INVALID for a node's namespace that is none. */
export async function openPolicy(config: AgentConfig, plane: DataPlane, log: Logger): Promise<PolicyManager> {
  const desired = await DesiredPolicies.open(config.policyState, log);
  const learned = await NamesFile.open(namesPath(config.policyState), log, Date.now);
  return new PolicyManager({ plane, node: openNetns(config.nodeNetns ?? '/proc/self/ns/net'), desired, learned, log });
}

/** The calls of the local API that are about policy. */
export function policyRoutes(policy: PolicyManager): Readonly<Record<string, Route>> {
  return {
    'GET /v1/policies': async () => policy.overview(),
    'PUT /v1/policies': async ({ body }) => withRoomToWork(() => policy.replace(parsePolicyUpdate(body))),
    'POST /v1/policies': async ({ body }) => policy.put(parsePolicies(body)),
    'DELETE /v1/policies/': async ({ parameter }) => policy.delete(parsePolicyName(parameter)),
    'POST /v1/policy-names': async ({ body }) => policy.learn(parseNameAnswer(body)),
    'POST /v1/policy-trace': async ({ body }) => policy.trace(parseTrace(body)),
  };
}

/** What two parts of the agent have put back; the last one is the second's where it has any. */
export function sumOfDrift(one: AgentStatus['drift'], other: AgentStatus['drift']): AgentStatus['drift'] {
  return { repaired: one.repaired + other.repaired, last: other.last ?? one.last };
}
