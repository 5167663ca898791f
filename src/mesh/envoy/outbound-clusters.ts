import type { ServicePort } from '../../manifests/types.ts';
import type { MeshService, MeshSnapshot } from '../model.ts';
import type { UpstreamHttp } from './clusters.ts';
import { emptyCluster, endpointsCluster, originalDestinationCluster, upstreamHttp } from './clusters.ts';
import type { ProxyContext } from './context.ts';
import { loadBalancingEndpoints, serviceEndpoints } from './endpoints.ts';
import { outboundClusterName, serverNameIndication, serviceHost, spiffeIdentity, wellKnownClusters } from './names.ts';
import type { PortProtocol } from './protocol.ts';
import { portProtocol } from './protocol.ts';
import { byNamespaceAndName, workloadsOfService } from './selection.ts';
import type { meshAlpn } from './transport.ts';
import { plaintext, upstreamMutualTls } from './transport.ts';
import type { Cluster } from './types.ts';

/** A service's TCP port with everything that the outbound side derives from it. */
export interface OutboundPort {
  readonly service: MeshService;
  readonly port: ServicePort;
  readonly protocol: PortProtocol;
  readonly host: string;
  readonly cluster: string;
}

/** Every TCP port of every service, by namespace, name and port. */
export function outboundPorts(snapshot: MeshSnapshot): readonly OutboundPort[] {
  return [...snapshot.services].sort(byNamespaceAndName).flatMap((service) =>
    service.ports
      .filter((port) => port.protocol === 'TCP')
      .sort((a, b) => a.port - b.port)
      .map((port) => {
        const host = serviceHost(snapshot, service);
        return { service, port, protocol: portProtocol(port), host, cluster: outboundClusterName(host, port.port) };
      }),
  );
}

/** The clusters of all services, and the two that take what no service takes. */
export function outboundClusters(context: ProxyContext): readonly Cluster[] {
  return [
    ...outboundPorts(context.snapshot).map((port) => serviceCluster(context, port)),
    emptyCluster(wellKnownClusters.blackHole),
    originalDestinationCluster(wellKnownClusters.passthrough, { typed_extension_protocol_options: upstreamHttp('as-downstream') }),
  ];
}

const httpVersions = { http: 'http1', http2: 'http2', auto: 'as-downstream' } as const satisfies Record<string, UpstreamHttp>;
const carried = { http: 'http', http2: 'http2', tcp: 'tcp', auto: 'tcp' } as const satisfies Record<PortProtocol, keyof typeof meshAlpn>;

/**
 * Endpoints stand in the cluster and not in a discovery file each: every file that Envoy follows costs an inotify instance, of which Linux
 * allows a user id 128 by default, and all proxies of a machine share theirs. Envoy keeps the connections of a cluster that is replaced.
 */
function serviceCluster(context: ProxyContext, outbound: OutboundPort): Cluster {
  const { snapshot } = context;
  const { service, port, protocol, host, cluster } = outbound;
  const identities = workloadsOfService(snapshot, service)
    .filter((workload) => workload.injected)
    .map((workload) => spiffeIdentity(snapshot.trustDomain, workload));
  const mutualTls = upstreamMutualTls(context.directory, {
    trustDomain: snapshot.trustDomain,
    identities: [...new Set(identities)].sort(),
    serverName: serverNameIndication(host, port.port),
    carries: carried[protocol],
  });
  const options = protocol === 'tcp' ? {} : { typed_extension_protocol_options: upstreamHttp(httpVersions[protocol]) };
  const endpoints = serviceEndpoints(snapshot, service, port);
  if (service.headless) {
    // Endpoints of an original-destination cluster are made as clients name them and carry no labels: one answer for all pods of the service.
    const allMutual = endpoints.length > 0 && endpoints.every((endpoint) => endpoint.mutualTls);
    return originalDestinationCluster(cluster, { ...options, ...(allMutual ? { transport_socket: mutualTls } : {}) });
  }
  return endpointsCluster(cluster, loadBalancingEndpoints(endpoints), {
    ...options,
    transport_socket_matches: [
      { name: 'tlsMode-istio', match: { tlsMode: 'istio' }, transport_socket: mutualTls },
      { name: 'tlsMode-disabled', match: {}, transport_socket: plaintext },
    ],
  });
}
