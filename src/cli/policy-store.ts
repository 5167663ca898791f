import { instancePaths } from '../api/paths.ts';
import type { PolicyOutcome } from '../api/policy-types.ts';
import { answers } from '../api/sockets.ts';
import { exitCodes, UserError } from '../base/errors.ts';
import { isPolicy } from '../manifests/kinds.ts';
import type { Manifest, ManifestWarning, PolicyManifest } from '../manifests/types.ts';
import { policyName } from '../policy/explain.ts';
import type { PolicyReference } from '../policy/types.ts';
import { agentClient } from './agent-client.ts';
import type { Output } from './command.ts';

/** Where an instance keeps its policies: a lab among its objects, an agent on its own in its state. */
export interface PolicyStore {
  apply(policies: readonly PolicyManifest[]): Promise<readonly PolicyOutcome[]>;
  delete(references: readonly PolicyReference[]): Promise<readonly PolicyOutcome[]>;
}

/** Asks who runs. Calls throw what the clients throw; where nobody runs, AGENT_UNREACHABLE. */
export async function policyStore(instance: string, signal: AbortSignal): Promise<PolicyStore> {
  return (await answers(instancePaths(instance).labSocket)) ? labStore(instance, signal) : agentStore(instance, signal);
}

async function labStore(instance: string, signal: AbortSignal): Promise<PolicyStore> {
  const { LabClient } = await import('../lab/client.ts');
  const client = new LabClient(instance);
  return {
    apply: async (policies) => outcomesOf((await client.apply(policies, { signal })).outcomes),
    delete: async (references) => outcomesOf((await client.delete(references, { signal })).outcomes),
  };
}

function agentStore(instance: string, signal: AbortSignal): PolicyStore {
  const client = agentClient(instance);
  return {
    apply: async (policies) => (await client.applyPolicies(policies, { signal })).outcomes,
    delete: async (references) => {
      const known = new Set((await client.policies({ signal })).policies.map(({ reference }) => policyName(reference)));
      const outcomes: PolicyOutcome[] = [];
      for (const reference of references) {
        // one that came with a whole list is refused by the agent, with the reason
        if (known.has(policyName(reference))) outcomes.push(...(await client.deletePolicy(reference, { signal })).outcomes);
        else outcomes.push({ ...reference, outcome: 'not found' });
      }
      return outcomes;
    },
  };
}

/** A lab answers for every kind of object; it was asked about policies only. */
function outcomesOf(outcomes: readonly { readonly kind: Manifest['kind'] }[]): readonly PolicyOutcome[] {
  return outcomes as readonly PolicyOutcome[];
}

/**
 * The policies among the objects of files, and a warning for each object that is something else.
 * @throws UserError USAGE where none is a policy
 */
export function onlyPolicies(manifests: readonly Manifest[]): {
  readonly policies: readonly PolicyManifest[];
  readonly warnings: readonly ManifestWarning[];
} {
  const policies = manifests.filter(isPolicy);
  if (policies.length === 0) {
    const kinds = [...new Set(manifests.map(({ kind }) => kind))].join(', ');
    throw new UserError('USAGE', `Cannot find a network policy because the files hold other objects: current value ${kinds || 'nothing'}`, {
      cure: 'Name a file with a CiliumNetworkPolicy, CiliumClusterwideNetworkPolicy, NetworkPolicy or ClusterNetworkPolicy; a lab takes the others with lab apply.',
      exitCode: exitCodes.usage,
    });
  }
  const warnings = manifests
    .filter((manifest) => !isPolicy(manifest))
    .map(({ kind, metadata, position }) => ({ message: `${kind} ${metadata.name} is no network policy and was left alone`, position }));
  return { policies, warnings };
}

/** Prints why any of these policies does not hold. Returns how many do not. */
export async function printUnenforced(
  output: Output,
  instance: string,
  policies: readonly PolicyManifest[],
  signal: AbortSignal,
): Promise<number> {
  const names = new Set(policies.map(({ kind, metadata: { namespace, name } }) => policyName({ kind, namespace, name })));
  const [overview, { policies: status }] = await Promise.all([
    agentClient(instance).policies({ signal }),
    agentClient(instance).status({ signal }),
  ]);
  if (status.problem !== null) output.write(`policies do not hold: ${status.problem}\n`);
  const asked = overview.policies.filter(({ reference }) => names.has(policyName(reference)));
  const invalid = asked.filter(({ valid }) => !valid);
  for (const { reference, reasons } of invalid) {
    output.write(`${policyName(reference)} is invalid and not enforced: ${reasons.join('; ')}\n`);
  }
  const open = asked.filter(({ notEnforced }) => notEnforced.length > 0);
  for (const { reference, notEnforced } of open) {
    for (const { pod, reason } of notEnforced) output.write(`${policyName(reference)} selects ${pod}: ${reason}\n`);
  }
  return invalid.length + open.length + (status.problem === null ? 0 : 1);
}
