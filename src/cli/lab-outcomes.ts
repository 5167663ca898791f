import type { OutcomesResponse } from '../lab/api.ts';
import type { ObjectOutcome } from '../lab/plan/objects.ts';
import type { Output } from './command.ts';

/** API groups that kubectl shows beside a kind. */
const groups: Readonly<Partial<Record<ObjectOutcome['kind'], string>>> = {
  Deployment: 'apps',
  AuthorizationPolicy: 'security.istio.io',
  PeerAuthentication: 'security.istio.io',
  CiliumNetworkPolicy: 'cilium.io',
  CiliumClusterwideNetworkPolicy: 'cilium.io',
  NetworkPolicy: 'networking.k8s.io',
  ClusterNetworkPolicy: 'policy.networking.k8s.io',
};

/** `deployment.apps/sleep created`, as kubectl says it. */
export function outcomeLine({ kind, name, outcome }: ObjectOutcome): string {
  const group = groups[kind];
  return `${kind.toLowerCase()}${group === undefined ? '' : `.${group}`}/${name} ${outcome}`;
}

export function printOutcomes(output: Output, { outcomes }: Pick<OutcomesResponse, 'outcomes'>): void {
  for (const outcome of outcomes) output.write(`${outcomeLine(outcome)}\n`);
}
