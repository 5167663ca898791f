import { accessLog } from './access-log.ts';
import type { Extension } from './types.ts';

/** Carries the bytes of a connection to a cluster. Idle connections live: databases keep them for days. */
export function tcpProxy(cluster: string, statPrefix: string = cluster): Extension {
  return {
    name: 'envoy.filters.network.tcp_proxy',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy',
      stat_prefix: statPrefix,
      cluster,
      idle_timeout: '0s',
      access_log: accessLog,
    },
  };
}
