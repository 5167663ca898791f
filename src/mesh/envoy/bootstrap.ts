import type { RedirectBackend, Workload } from '../model.ts';
import { socketAddress } from './context.ts';
import { fileSource } from './transport.ts';
import type { Bootstrap } from './types.ts';

export interface BootstrapOptions {
  readonly workload: Workload;
  readonly backend: RedirectBackend;
  /** `cluster.local` */
  readonly clusterDomain: string;
  /** Absolute path of the directory that holds the proxy's files. */
  readonly directory: string;
  /** 15000. Always on 127.0.0.1: an application does not get at it from another pod. */
  readonly adminPort?: number;
  /** Connections that are accepted at a time, over all listeners; 65,536. Beyond it new ones are closed. */
  readonly maxConnections?: number;
}

/** Statistics that are kept: whether updates were accepted, what policies did, and how much went where. Each costs memory for every cluster. */
const keptStatistics: Bootstrap['stats_config']['stats_matcher']['inclusion_list']['patterns'] = [
  { prefix: 'server.' },
  { prefix: 'listener_manager.' },
  { prefix: 'cluster_manager.' },
  { prefix: 'sds.' },
  { prefix: 'extension_config_discovery.' },
  { contains: '.rds.' },
  { contains: '.rbac.' },
  { contains: 'ssl.' },
  { suffix: 'downstream_cx_total' },
  { suffix: 'downstream_cx_active' },
  { suffix: 'no_filter_chain_match' },
  { suffix: 'downstream_rq_total' },
  { suffix: 'upstream_cx_total' },
  { suffix: 'upstream_cx_active' },
  { suffix: 'upstream_cx_connect_fail' },
  { suffix: 'upstream_rq_total' },
];

/** The proxy's start configuration; everything else follows from the files. Written once, read once. */
export function bootstrap(options: BootstrapOptions): Bootstrap {
  const { workload, backend, clusterDomain, directory } = options;
  const [address = '0.0.0.0'] = workload.addresses;
  return {
    node: {
      // Istio's form: role, address, pod, DNS domain.
      id: `sidecar~${address}~${workload.name}.${workload.namespace}~${workload.namespace}.svc.${clusterDomain}`,
      cluster: `${workload.labels.app ?? workload.owner}.${workload.namespace}`,
      metadata: {
        NAME: workload.name,
        NAMESPACE: workload.namespace,
        OWNER: workload.owner,
        SERVICE_ACCOUNT: workload.serviceAccount,
        LABELS: workload.labels,
        INSTANCE_IPS: workload.addresses,
        // Istio's word for "sources are not kept at the application", which holds for every back end; the second says how it is done.
        INTERCEPTION_MODE: 'REDIRECT',
        MILLRACE_REDIRECT: backend.kind === 'iptables' ? 'iptables' : `ebpf/${backend.inbound}`,
      },
    },
    admin: { address: socketAddress('127.0.0.1', options.adminPort ?? 15000) },
    dynamic_resources: { lds_config: fileSource(directory, 'lds.json'), cds_config: fileSource(directory, 'cds.json') },
    stats_config: { stats_matcher: { inclusion_list: { patterns: keptStatistics } } },
    layered_runtime: { layers: [{ name: 'static', static_layer: {} }] },
    overload_manager: {
      refresh_interval: '1s',
      resource_monitors: [
        {
          name: 'envoy.resource_monitors.global_downstream_max_connections',
          typed_config: {
            '@type': 'type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig',
            max_active_downstream_connections: options.maxConnections ?? 65_536,
          },
        },
      ],
    },
  };
}

/**
 * Arguments for Envoy itself. `drainSeconds`: how long connections live on that belong to a listener or filter chain which was changed,
 * for instance one whose mode became STRICT; then they are closed. 5 unless told (Istio: 45; Envoy: 600).
 */
export function envoyArguments(options: {
  readonly bootstrapPath: string;
  /** Worker threads; 2 unless told, as in Istio. */
  readonly concurrency?: number;
  readonly drainSeconds?: number;
  readonly logLevel?: 'trace' | 'debug' | 'info' | 'warning' | 'error' | 'critical' | 'off';
}): readonly string[] {
  return [
    '--config-path',
    options.bootstrapPath,
    '--disable-hot-restart',
    '--concurrency',
    String(options.concurrency ?? 2),
    '--drain-time-s',
    String(options.drainSeconds ?? 5),
    '--drain-strategy',
    'immediate',
    // The access log is for people who wait for its line; Envoy would hold it back for 10 s.
    '--file-flush-interval-msec',
    '250',
    '--log-level',
    options.logLevel ?? 'warning',
  ];
}
