import type { ServicePort } from '../../manifests/types.ts';
import type { MeshService, MeshSnapshot, Workload } from '../model.ts';
import { socketAddress } from './context.ts';
import { effectiveMutualTls } from './mutual-tls.ts';
import { targetPortOf, workloadsOfService } from './selection.ts';
import type { LocalityEndpoints } from './types.ts';

/** A pod's port behind a service's port. */
export interface ServiceEndpoint {
  readonly workload: Workload;
  readonly port: number;
  /** Whether to speak mutual TLS to it: it has a proxy, and no policy forbids it at this port. */
  readonly mutualTls: boolean;
}

/** The ready pods behind one port of a service, by name. Pods that lack a named target port are left out. */
export function serviceEndpoints(snapshot: MeshSnapshot, service: MeshService, port: ServicePort): readonly ServiceEndpoint[] {
  return workloadsOfService(snapshot, service).flatMap((workload) => {
    const target = targetPortOf(workload, port.targetPort);
    if (!workload.ready || target === null) return [];
    const mutualTls = workload.injected && effectiveMutualTls(snapshot, workload, target) !== 'DISABLE';
    return [{ workload, port: target, mutualTls }];
  });
}

/** The key under which Envoy looks for an endpoint's labels when it chooses a transport socket. */
const transportSocketMatch = 'envoy.transport_socket_match';

/** Endpoints as Envoy has them; each says by Istio's label `tlsMode` whether it speaks mutual TLS. */
export function loadBalancingEndpoints(endpoints: readonly ServiceEndpoint[]): readonly LocalityEndpoints[] {
  if (endpoints.length === 0) return [];
  return [
    {
      lb_endpoints: endpoints.flatMap(({ workload, port, mutualTls }) => {
        const [primary] = workload.addresses;
        if (primary === undefined) return [];
        return [
          {
            endpoint: { address: socketAddress(primary, port) },
            ...(mutualTls ? { metadata: { filter_metadata: { [transportSocketMatch]: { tlsMode: 'istio' } } } } : {}),
          },
        ];
      }),
    },
  ];
}
