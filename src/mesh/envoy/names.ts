import type { MeshService, MeshSnapshot, Workload } from '../model.ts';

/** Clusters whose names Istio users know from logs and dashboards. */
export const wellKnownClusters = {
  blackHole: 'BlackHoleCluster',
  passthrough: 'PassthroughCluster',
  inboundPassthrough: 'InboundPassthroughCluster',
} as const;

/** `httpbin.default.svc.cluster.local` */
export function serviceHost(snapshot: Pick<MeshSnapshot, 'clusterDomain'>, service: Pick<MeshService, 'name' | 'namespace'>): string {
  return `${service.name}.${service.namespace}.svc.${snapshot.clusterDomain}`;
}

/** `outbound|80||httpbin.default.svc.cluster.local`, as in Istio (the empty part is the subset). */
export function outboundClusterName(host: string, port: number): string {
  return `outbound|${port}||${host}`;
}

/** `inbound|8000||` */
export function inboundClusterName(port: number): string {
  return `inbound|${port}||`;
}

/** The server name that a client's proxy sends: `outbound_.80_._.httpbin.default.svc.cluster.local`. */
export function serverNameIndication(host: string, port: number): string {
  return `outbound_.${port}_._.${host}`;
}

/** `spiffe://cluster.local/ns/default/sa/sleep` */
export function spiffeIdentity(trustDomain: string, workload: Pick<Workload, 'namespace' | 'serviceAccount'>): string {
  return `spiffe://${trustDomain}/ns/${workload.namespace}/sa/${workload.serviceAccount}`;
}

/** Whether a textual address is IPv6. */
export function isIPv6(address: string): boolean {
  return address.includes(':');
}

/** An address as it stands in a Host header: IPv6 in brackets. */
export function hostForm(address: string): string {
  return isIPv6(address) ? `[${address}]` : address;
}
