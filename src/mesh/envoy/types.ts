/**
 * The part of Envoy's v3 API that Millrace emits, in its JSON form (protobuf JSON, field names as in the .proto files).
 * Hand-written and closed: what is not here is not emitted. Source: Envoy 1.40 API reference, envoy.config and envoy.extensions.
 */

/** A protobuf duration in JSON: seconds with the unit, `0.1s`. */
export type Duration = `${number}s`;

export interface SocketAddress {
  readonly socket_address: { readonly address: string; readonly port_value: number; readonly ipv4_compat?: boolean };
}

/** envoy.config.core.v3.ConfigSource, by file. Envoy watches the path for renames. */
export interface FileConfigSource {
  readonly path_config_source: { readonly path: string };
  readonly resource_api_version: 'V3';
  readonly initial_fetch_timeout?: Duration;
}

/** A google.protobuf.Any: the type's URL beside the message's own fields. */
export interface TypedConfig {
  readonly '@type': `type.googleapis.com/${string}`;
  readonly [field: string]: unknown;
}

/** envoy.config.core.v3.TypedExtensionConfig and everything with its shape: filters, loggers, transport sockets. */
export interface Extension {
  readonly name: string;
  readonly typed_config: TypedConfig;
}

/** An HTTP filter whose configuration comes by extension discovery (ECDS) instead of the listener. */
export interface DiscoveredExtension {
  readonly name: string;
  readonly config_discovery: { readonly config_source: FileConfigSource; readonly type_urls: readonly string[] };
}

export type HttpFilter = Extension | DiscoveredExtension;

/** A predicate over the destination port: a half-open range, or a disjunction. */
export type PortPredicate =
  | { readonly destination_port_range: { readonly start: number; readonly end: number } }
  | { readonly or_match: { readonly rules: readonly PortPredicate[] } }
  | { readonly not_match: PortPredicate }
  | { readonly any_match: true };

export interface ListenerFilter extends Extension {
  readonly filter_disabled?: PortPredicate;
}

export interface FilterChainMatch {
  readonly destination_port?: number;
  readonly transport_protocol?: 'tls' | 'raw_buffer';
  readonly application_protocols?: readonly string[];
  readonly source_type?: 'SAME_IP_OR_LOOPBACK';
}

export interface FilterChain {
  readonly name: string;
  readonly filter_chain_match?: FilterChainMatch;
  readonly filters: readonly Extension[];
  readonly transport_socket?: Extension;
  /** Bounds the TLS handshake. */
  readonly transport_socket_connect_timeout?: Duration;
}

/** envoy.config.accesslog.v3.AccessLogFilter */
export type AccessLogFilter =
  | { readonly response_flag_filter: { readonly flags: readonly string[] } }
  | {
      readonly status_code_filter: {
        readonly comparison: { readonly op: 'EQ' | 'NE'; readonly value: { readonly default_value: number; readonly runtime_key: string } };
      };
    }
  | { readonly or_filter: { readonly filters: readonly AccessLogFilter[] } }
  | { readonly and_filter: { readonly filters: readonly AccessLogFilter[] } }
  | { readonly extension_filter: Extension };

export interface AccessLog extends Extension {
  readonly filter?: AccessLogFilter;
}

/** envoy.config.listener.v3.Listener */
export interface Listener {
  readonly '@type': 'type.googleapis.com/envoy.config.listener.v3.Listener';
  readonly name: string;
  readonly address: SocketAddress;
  readonly additional_addresses?: readonly { readonly address: SocketAddress }[];
  readonly traffic_direction: 'INBOUND' | 'OUTBOUND';
  readonly bind_to_port?: boolean;
  readonly use_original_dst?: boolean;
  readonly listener_filters?: readonly ListenerFilter[];
  readonly listener_filters_timeout?: Duration;
  readonly continue_on_listener_filters_timeout?: boolean;
  readonly filter_chains: readonly FilterChain[];
  readonly default_filter_chain?: FilterChain;
  readonly access_log?: readonly AccessLog[];
}

export interface Endpoint {
  readonly address: SocketAddress;
  readonly additional_addresses?: readonly { readonly address: SocketAddress }[];
}

export interface LocalityEndpoints {
  readonly lb_endpoints: readonly {
    readonly endpoint: Endpoint;
    readonly metadata?: { readonly filter_metadata: Readonly<Record<string, Readonly<Record<string, string>>>> };
  }[];
}

export interface LoadAssignment {
  readonly cluster_name: string;
  readonly endpoints: readonly LocalityEndpoints[];
}

export interface TransportSocketMatch {
  readonly name: string;
  readonly match: Readonly<Record<string, string>>;
  readonly transport_socket: Extension;
}

interface ClusterBase {
  readonly '@type': 'type.googleapis.com/envoy.config.cluster.v3.Cluster';
  readonly name: string;
  readonly connect_timeout: Duration;
  readonly circuit_breakers: { readonly thresholds: readonly Readonly<Record<string, number | boolean>>[] };
  readonly typed_extension_protocol_options?: Readonly<Record<string, TypedConfig>>;
  readonly transport_socket?: Extension;
  readonly transport_socket_matches?: readonly TransportSocketMatch[];
  readonly upstream_bind_config?: {
    readonly source_address: { readonly address: string; readonly port_value: 0 };
    readonly extra_source_addresses?: readonly { readonly address: { readonly address: string; readonly port_value: 0 } }[];
  };
}

/** envoy.config.cluster.v3.Cluster, in the two forms that are used. */
export type Cluster =
  | (ClusterBase & { readonly type: 'STATIC'; readonly lb_policy: 'LEAST_REQUEST'; readonly load_assignment: LoadAssignment })
  | (ClusterBase & { readonly type: 'ORIGINAL_DST'; readonly lb_policy: 'CLUSTER_PROVIDED' });

export interface Route {
  readonly name: string;
  readonly match: { readonly prefix: '/' };
  readonly route: {
    readonly cluster: string;
    readonly timeout: Duration;
    readonly max_stream_duration?: { readonly max_stream_duration: Duration; readonly grpc_timeout_header_max: Duration };
    readonly retry_policy?: {
      readonly retry_on: string;
      readonly num_retries: number;
      readonly retry_host_predicate: readonly Extension[];
      readonly host_selection_retry_max_attempts: number;
    };
  };
}

export interface VirtualHost {
  readonly name: string;
  readonly domains: readonly string[];
  readonly routes: readonly Route[];
  readonly include_request_attempt_count?: boolean;
}

/** envoy.config.route.v3.RouteConfiguration, as it stands in a listener. */
export interface RouteTable {
  readonly name: string;
  readonly virtual_hosts: readonly VirtualHost[];
  readonly validate_clusters: boolean;
}

/** A route table as a resource of its own. */
export interface RouteConfiguration extends RouteTable {
  readonly '@type': 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration';
}

/** envoy.extensions.transport_sockets.tls.v3.Secret */
export interface Secret {
  readonly '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret';
  readonly name: string;
  readonly tls_certificate?: {
    readonly certificate_chain: { readonly inline_string: string };
    readonly private_key: { readonly inline_string: string };
  };
  readonly validation_context?: { readonly trusted_ca: { readonly inline_string: string } };
}

/** envoy.config.core.v3.TypedExtensionConfig as an ECDS resource. */
export interface ExtensionResource extends Extension {
  readonly '@type': 'type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig';
}

export type Resource = Listener | Cluster | RouteConfiguration | Secret | ExtensionResource;

/** envoy.service.discovery.v3.DiscoveryResponse: what a file of the file-based xDS holds. */
export interface DiscoveryResponse {
  readonly version_info: string;
  readonly type_url: Resource['@type'];
  readonly resources: readonly Resource[];
}

/** envoy.config.bootstrap.v3.Bootstrap, as far as it is used. */
export interface Bootstrap {
  readonly node: {
    readonly id: string;
    readonly cluster: string;
    readonly metadata: Readonly<Record<string, string | readonly string[] | Readonly<Record<string, string>>>>;
  };
  readonly admin: { readonly address: SocketAddress };
  readonly dynamic_resources: { readonly lds_config: FileConfigSource; readonly cds_config: FileConfigSource };
  readonly stats_config: { readonly stats_matcher: { readonly inclusion_list: { readonly patterns: readonly StringPattern[] } } };
  readonly layered_runtime: {
    readonly layers: readonly { readonly name: string; readonly static_layer: Readonly<Record<string, string | number | boolean>> }[];
  };
  readonly overload_manager: { readonly refresh_interval: Duration; readonly resource_monitors: readonly Extension[] };
}

export type StringPattern = { readonly prefix: string } | { readonly suffix: string } | { readonly contains: string };
