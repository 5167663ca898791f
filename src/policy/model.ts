import { assertNever } from '../base/errors.ts';
import type { PolicyManifest } from '../manifests/types.ts';
import type { CiliumOptions } from './from-cilium.ts';
import { fromCilium } from './from-cilium.ts';
import { fromClusterNetworkPolicy } from './from-cluster-network-policy.ts';
import { fromNetworkPolicy } from './from-network-policy.ts';
import type { Policy } from './types.ts';

export type PolicyOptions = CiliumOptions;

/**
 * Turns manifests into policies. The same manifest object gives the same policy object as long as this converter lives, so that the compiler sees at
 * once what did not change.
 */
export class PolicyModel {
  readonly #options: PolicyOptions;
  readonly #made = new WeakMap<PolicyManifest, Policy>();

  constructor(options: PolicyOptions = { l7: 'refuse' }) {
    this.#options = options;
  }

  policyOf(manifest: PolicyManifest): Policy {
    let policy = this.#made.get(manifest);
    if (policy === undefined) {
      policy = toPolicy(manifest, this.#options);
      this.#made.set(manifest, policy);
    }
    return policy;
  }
}

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
