import type { Cluster, Extension, TypedConfig } from './types.ts';

/** The most that a 32-bit field holds: Envoy's own limits (1024) would be a second, hidden limit below the operator's. */
const unlimited = 4_294_967_295;

const common = {
  '@type': 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
  connect_timeout: '10s',
  circuit_breakers: {
    thresholds: [
      {
        max_connections: unlimited,
        max_pending_requests: unlimited,
        max_requests: unlimited,
        max_retries: unlimited,
        track_remaining: true,
      },
    ],
  },
} as const;

/** The HTTP version towards a cluster: a fixed one, or that of the request that is carried. */
export type UpstreamHttp = 'http1' | 'http2' | 'as-downstream';

/** Options of the HTTP codec, for `typed_extension_protocol_options`. */
export function upstreamHttp(version: UpstreamHttp): Readonly<Record<string, TypedConfig>> {
  const choice = {
    http1: { explicit_http_config: { http_protocol_options: {} } },
    http2: { explicit_http_config: { http2_protocol_options: {} } },
    'as-downstream': { use_downstream_protocol_config: { http_protocol_options: {}, http2_protocol_options: {} } },
  }[version];
  return {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
      '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
      ...choice,
    },
  };
}

/** A cluster without endpoints: what is sent there ends. */
export function emptyCluster(name: string): Cluster {
  return { ...common, name, type: 'STATIC', lb_policy: 'LEAST_REQUEST', load_assignment: { cluster_name: name, endpoints: [] } };
}

/** A cluster of known endpoints. */
export function endpointsCluster(
  name: string,
  endpoints: Extract<Cluster, { type: 'STATIC' }>['load_assignment']['endpoints'],
  options: Pick<Cluster, 'typed_extension_protocol_options' | 'transport_socket_matches'>,
): Cluster {
  return { ...common, name, type: 'STATIC', lb_policy: 'LEAST_REQUEST', ...options, load_assignment: { cluster_name: name, endpoints } };
}

/**
 * A cluster that connects to where the client wanted to go: to the downstream connection's local address as the original_dst listener filter
 * restored it. A connection that did not pass that filter has no host here, even if its local address is right.
 */
export function originalDestinationCluster(
  name: string,
  options: Pick<Cluster, 'typed_extension_protocol_options' | 'upstream_bind_config'> & { readonly transport_socket?: Extension },
): Cluster {
  return { ...common, name, type: 'ORIGINAL_DST', lb_policy: 'CLUSTER_PROVIDED', ...options };
}

/**
 * The source of connections from the proxy to its own application. Every redirection lets 127.0.0.6 and ::6 through
 * (contract OUT-10, OUT-17, V6-*); without it the proxy would be sent back to itself.
 */
export const passthroughSource: NonNullable<Cluster['upstream_bind_config']> = {
  source_address: { address: '127.0.0.6', port_value: 0 },
  extra_source_addresses: [{ address: { address: '::6', port_value: 0 } }],
};
