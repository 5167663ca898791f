import { accessLog, judgedAccessLog } from './access-log.ts';
import { fileSource, meshAlpn } from './transport.ts';
import type { Extension, HttpFilter, RouteTable, VirtualHost } from './types.ts';

/** Where a connection manager's routes are: a file that it follows, or in the listener. */
export type RouteSource =
  | { readonly kind: 'file'; readonly directory: string; readonly file: string; readonly name: string }
  | { readonly kind: 'inline'; readonly routes: RouteTable };

const router: Extension = {
  name: 'envoy.filters.http.router',
  typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' },
};

/**
 * An HTTP connection manager as the mesh wants it. `inbound` forwards the verified client identity in X-Forwarded-Client-Cert
 * (Envoy drops that header when the connection is not mutual TLS, so it cannot be forged); `outbound` removes it.
 * `filters` stand before the router.
 */
export function httpManager(options: {
  readonly direction: 'inbound' | 'outbound';
  readonly statPrefix: string;
  readonly routes: RouteSource;
  readonly filters: readonly HttpFilter[];
}): Extension {
  const { routes } = options;
  return {
    name: 'envoy.filters.network.http_connection_manager',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
      stat_prefix: options.statPrefix,
      codec_type: 'AUTO',
      ...(routes.kind === 'file'
        ? { rds: { route_config_name: routes.name, config_source: fileSource(routes.directory, routes.file) } }
        : { route_config: routes.routes }),
      server_name: 'istio-envoy',
      use_remote_address: false,
      normalize_path: true,
      stream_idle_timeout: '0s',
      http_protocol_options: { accept_http_10: true },
      upgrade_configs: [{ upgrade_type: 'websocket' }],
      ...(options.direction === 'inbound'
        ? {
            forward_client_cert_details: 'APPEND_FORWARD',
            set_current_client_cert_details: { subject: true, dns: true, uri: true },
          }
        : { forward_client_cert_details: 'SANITIZE' }),
      access_log: options.direction === 'inbound' ? judgedAccessLog : accessLog,
      http_filters: [...options.filters, router],
    },
  };
}

/** One virtual host for every Host and path, to one cluster. */
export function everythingTo(cluster: string, routeName: string): RouteTable {
  return {
    name: cluster,
    virtual_hosts: [catchAll(cluster, routeName)],
    // Clusters and listeners are files of their own, and Envoy may read a listener first.
    validate_clusters: false,
  };
}

/** A virtual host that takes what no other takes. */
export function catchAll(cluster: string, name: string): VirtualHost {
  return { name, domains: ['*'], routes: [{ name, match: { prefix: '/' }, route: { cluster, timeout: '0s' } }] };
}

/**
 * Overrides the ALPN of the upstream connection for a port whose protocol was found by looking: the server's proxy cannot look inside TLS,
 * the offer tells it. Istio has a filter of its own for that; in plain Envoy it is this filter state.
 */
export function offerHttp(version: 'http' | 'http2'): HttpFilter {
  return {
    name: 'envoy.filters.http.set_filter_state',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.filters.http.set_filter_state.v3.Config',
      on_request_headers: [
        {
          object_key: 'envoy.network.application_protocols',
          format_string: { text_format_source: { inline_string: meshAlpn[version].join(',') } },
          shared_with_upstream: 'ONCE',
        },
      ],
    },
  };
}
