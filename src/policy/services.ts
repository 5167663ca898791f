import { parseCidrOrIp } from '../pods/address.ts';
import type { PlainPeer } from './parts.ts';
import { inNamespace, matchesSelector } from './selectors.ts';
import type { Peer, PolicyService } from './types.ts';

/**
 * Replaces the services among peers by what stands behind them: the pods that they select, or, where they select none, the addresses that their
 * Endpoints name (contract 2.2, toServices). A service that is not there stands for nobody.
 */
export function resolveServices(peers: readonly Peer[], services: readonly PolicyService[]): readonly PlainPeer[] {
  if (peers.every(isPlain)) return peers;
  return peers.flatMap((peer): readonly PlainPeer[] => {
    if (peer.kind === 'service')
      return services.filter(({ name, namespace }) => name === peer.name && namespace === peer.namespace).flatMap(behind);
    if (peer.kind !== 'services') return [peer];
    return services
      .filter(
        ({ namespace, labels }) =>
          (peer.namespace === null || peer.namespace === namespace) &&
          matchesSelector(new Map(Object.entries(labels).map(([key, value]) => [`k8s:${key}`, value])), peer.selector),
      )
      .flatMap(behind);
  });
}

function isPlain(peer: Peer): peer is PlainPeer {
  return peer.kind !== 'service' && peer.kind !== 'services';
}

function behind(service: PolicyService): PlainPeer[] {
  const selector = Object.entries(service.selector);
  if (selector.length > 0) {
    const labels = selector.map(([key, value]) => ({ source: 'k8s', key, operator: 'In' as const, values: [value] }));
    return [{ kind: 'endpoints', selector: [inNamespace(service.namespace), ...labels] }];
  }
  return service.externalEndpoints.flatMap((address): PlainPeer[] => {
    const cidr = parseCidrOrIp(address);
    return cidr === null ? [] : [{ kind: 'cidr', cidr, except: [], inCluster: false }];
  });
}

/** The addresses of the API server that are no pods: what the Service default/kubernetes names (the entity kube-apiserver). */
export function apiServerAddresses(services: readonly PolicyService[]): ReadonlySet<string> {
  const service = services.find(({ name, namespace }) => name === 'kubernetes' && namespace === 'default');
  return new Set(service?.externalEndpoints ?? []);
}
