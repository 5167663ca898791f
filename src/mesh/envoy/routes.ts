import type { ProxyContext } from './context.ts';
import { serviceDomains } from './domains.ts';
import { catchAll } from './http-manager.ts';
import { wellKnownClusters } from './names.ts';
import type { OutboundPort } from './outbound-clusters.ts';
import { outboundPorts } from './outbound-clusters.ts';
import type { Route, RouteConfiguration, VirtualHost } from './types.ts';

/** The HTTP ports of the mesh, by port: the services that share `0.0.0.0_<port>`. Ports of the proxy itself are left out. */
export function httpPorts(context: ProxyContext): ReadonlyMap<number, readonly OutboundPort[]> {
  const byPort = new Map<number, OutboundPort[]>();
  for (const outbound of outboundPorts(context.snapshot)) {
    const { port } = outbound.port;
    if (outbound.protocol !== 'http' && outbound.protocol !== 'http2') continue;
    if (port === context.outboundPort || port === context.inboundPort) continue;
    const services = byPort.get(port) ?? [];
    services.push(outbound);
    byPort.set(port, services);
  }
  return new Map([...byPort].sort(([a], [b]) => a - b));
}

/** The routes of one HTTP port: a virtual host for each service, and what no service claims goes where the client wanted (ALLOW_ANY). */
export function routeConfiguration(context: ProxyContext, port: number, services: readonly OutboundPort[]): RouteConfiguration {
  return {
    '@type': 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration',
    name: String(port),
    virtual_hosts: [
      ...services.map((outbound) => serviceVirtualHost(context, outbound)),
      catchAll(wellKnownClusters.passthrough, 'allow_any'),
    ],
    validate_clusters: false,
  };
}

function serviceVirtualHost(context: ProxyContext, { service, port, host, cluster }: OutboundPort): VirtualHost {
  return {
    name: `${host}:${port.port}`,
    domains: serviceDomains(context.snapshot, service, port.port, context.workload.namespace),
    routes: [serviceRoute(cluster)],
    include_request_attempt_count: true,
  };
}

/** No time limit of our own; retries only for what no server has begun to answer, on another pod where there is one, as Istio does. */
function serviceRoute(cluster: string): Route {
  return {
    name: 'default',
    match: { prefix: '/' },
    route: {
      cluster,
      timeout: '0s',
      max_stream_duration: { max_stream_duration: '0s', grpc_timeout_header_max: '0s' },
      retry_policy: {
        retry_on: 'connect-failure,refused-stream,unavailable,cancelled',
        num_retries: 2,
        retry_host_predicate: [
          {
            name: 'envoy.retry_host_predicates.previous_hosts',
            typed_config: { '@type': 'type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate' },
          },
        ],
        host_selection_retry_max_attempts: 5,
      },
    },
  };
}
