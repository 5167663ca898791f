import type { AuthorizationPolicyManifest } from '../../manifests/types.ts';
import type { MeshSnapshot, Workload } from '../model.ts';

/**
 * The policies in force for a workload: those of the root namespace, then those of its own namespace, each only if its selector is absent,
 * empty, or names labels that the workload has. Ordered by name within a namespace; the order has no effect on the decision.
 */
export function policiesForWorkload(
  snapshot: Pick<MeshSnapshot, 'rootNamespace' | 'authorizationPolicies'>,
  workload: Pick<Workload, 'namespace' | 'labels'>,
): readonly AuthorizationPolicyManifest[] {
  const namespaces = [...new Set([snapshot.rootNamespace, workload.namespace])];
  return namespaces.flatMap((namespace) =>
    snapshot.authorizationPolicies
      .filter((policy) => policy.metadata.namespace === namespace && selects(policy, workload))
      .toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : Number(a.metadata.name > b.metadata.name))),
  );
}

function selects(policy: AuthorizationPolicyManifest, workload: Pick<Workload, 'labels'>): boolean {
  return Object.entries(policy.selector ?? {}).every(
    ([key, value]) => Object.hasOwn(workload.labels, key) && workload.labels[key] === value,
  );
}
