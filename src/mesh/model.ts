import type { AuthorizationPolicyManifest, PeerAuthenticationManifest, ServicePort } from '../manifests/types.ts';

/** How connections reach a pod's proxy. Envoy's configuration depends on it (S7). */
export type RedirectBackend = { readonly kind: 'iptables' } | { readonly kind: 'ebpf'; readonly inbound: 'sk_lookup' | 'bind' };

/** A running pod, as the control plane sees it. */
export interface Workload {
  readonly name: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** The owner's name (Deployment), or the pod's own. */
  readonly owner: string;
  /** Pod addresses, primary first; at least one IPv4, then IPv6 if the lab has it. Textual, canonical. */
  readonly addresses: readonly string[];
  /** Named and numbered container ports. */
  readonly ports: readonly { readonly name: string | null; readonly port: number; readonly protocol: 'TCP' | 'UDP' | 'SCTP' }[];
  /** Whether a sidecar proxy is injected. */
  readonly injected: boolean;
  /** Ready pods are endpoints of their services. */
  readonly ready: boolean;
}

export interface MeshService {
  readonly name: string;
  readonly namespace: string;
  /** Empty for a headless service. Primary first. */
  readonly clusterIPs: readonly string[];
  readonly headless: boolean;
  /** Seconds for which a client that no proxy serves keeps its backend; absent or 0: none. */
  readonly affinitySeconds?: number;
  readonly ports: readonly ServicePort[];
  readonly selector: Readonly<Record<string, string>>;
}

/** Everything that the proxies' configuration is a function of. A pure snapshot. */
export interface MeshSnapshot {
  /** `cluster.local` */
  readonly trustDomain: string;
  /** DNS suffix of the cluster, `cluster.local` */
  readonly clusterDomain: string;
  /** Policies here are mesh-wide: `istio-system` */
  readonly rootNamespace: string;
  readonly workloads: readonly Workload[];
  readonly services: readonly MeshService[];
  readonly authorizationPolicies: readonly AuthorizationPolicyManifest[];
  readonly peerAuthentications: readonly PeerAuthenticationManifest[];
  /** Mode where no PeerAuthentication says otherwise; the lab's is STRICT. */
  readonly defaultMutualTls: 'STRICT' | 'PERMISSIVE' | 'DISABLE';
}
