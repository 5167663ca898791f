import { assertNever } from '../base/errors.ts';
import type { PolicyManifest } from '../manifests/types.ts';
import type { CiliumOptions } from './from-cilium.ts';
import { fromCilium } from './from-cilium.ts';
import { fromClusterNetworkPolicy } from './from-cluster-network-policy.ts';
import { fromNetworkPolicy } from './from-network-policy.ts';
import type { Policy } from './types.ts';

export type PolicyOptions = CiliumOptions;

/** One manifest as a policy. Never throws: what cannot be enforced is in its problems. */
export function toPolicy(manifest: PolicyManifest, options: PolicyOptions = { l7: 'refuse' }): Policy {
  switch (manifest.kind) {
    case 'CiliumNetworkPolicy':
    case 'CiliumClusterwideNetworkPolicy':
      return fromCilium(manifest, options);
    case 'NetworkPolicy':
      return fromNetworkPolicy(manifest);
    case 'ClusterNetworkPolicy':
      return fromClusterNetworkPolicy(manifest);
    default:
      return assertNever(manifest, 'kind of policy');
  }
}
