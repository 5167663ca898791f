import type { PolicyOverview } from '../api/policy-types.ts';
import { listPolicies } from '../policy/explain.ts';
import type { PolicyPod, PolicyService } from '../policy/types.ts';
import type { HeldPolicy } from './guarded-pod.ts';

/** What `policy list` shows. Pure. `origins` are of the policies, in their order; `problems` of this node's pods. */
export function overviewOf(
  origins: readonly ('list' | 'operator')[],
  held: HeldPolicy | null,
  identities: ReadonlyMap<string, number>,
  problems: readonly { readonly pod: string; readonly reason: string }[],
): PolicyOverview {
  if (held === null) return { policies: [], pods: [], services: [] };
  const listings = listPolicies(held.policies, held.cluster);
  return {
    policies: listings.map((listing, index) => ({
      ...listing,
      origin: origins[index] ?? 'list',
      notEnforced: problems.filter(({ pod }) => listing.pods.includes(pod)),
    })),
    services: held.cluster.services.map((service) => ({
      namespace: service.namespace,
      name: service.name,
      clusterIPs: service.clusterIPs,
      pods: held.cluster.pods.filter((pod) => isBehind(service, pod)).map(({ namespace, name }) => `${namespace}/${name}`),
    })),
    pods: held.cluster.pods.map(({ namespace, name, labels, workload, addresses, local }) => ({
      namespace,
      name,
      labels,
      owner: workload?.name ?? name,
      addresses,
      identity: identities.get(`${namespace}/${name}`) ?? 0,
      local,
    })),
  };
}

function isBehind({ namespace, selector }: PolicyService, pod: PolicyPod): boolean {
  const wanted = Object.entries(selector);
  return pod.namespace === namespace && wanted.length > 0 && wanted.every(([key, value]) => pod.labels[key] === value);
}
