import type { Cidr } from '../pods/types.ts';
import type { LabelSelector } from './label-selector.ts';

// `null` is a list that was not written, `[]` one that was written and is empty: policies mean different things by them.

/** Why Cilium's own check would refuse a policy that its schema accepts. `path` leads to the fault from the object's root. */
export interface PolicyFault {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

export interface CiliumCidrSet {
  /** null: one of the other two was written. */
  readonly cidr: string | null;
  readonly except: readonly string[];
  readonly cidrGroupRef: string | null;
  readonly cidrGroupSelector: LabelSelector | null;
}

export interface CiliumServicePeer {
  readonly byName: { readonly name: string; readonly namespace: string | null } | null;
  readonly bySelector: { readonly selector: LabelSelector; readonly namespace: string | null } | null;
}

export interface CiliumFqdn {
  readonly matchName: string | null;
  readonly matchPattern: string | null;
}

export type CiliumProtocol = 'TCP' | 'UDP' | 'SCTP' | 'VRRP' | 'IGMP' | 'ANY';

export interface CiliumPort {
  /** A number from 0 (any port), a name, or '' where it was not written. */
  readonly port: string;
  readonly endPort: number | null;
  readonly protocol: CiliumProtocol;
}

export interface CiliumHttpRule {
  readonly path: string | null;
  readonly method: string | null;
  readonly host: string | null;
  readonly headers: readonly string[];
  readonly headerMatches: readonly {
    readonly name: string;
    readonly value: string | null;
    readonly mismatch: 'LOG' | 'ADD' | 'DELETE' | 'REPLACE' | null;
  }[];
}

export interface CiliumPortRule {
  readonly ports: readonly CiliumPort[];
  readonly http: readonly CiliumHttpRule[] | null;
  readonly dns: readonly CiliumFqdn[] | null;
  /** Names of the other conditions on messages that were written: kafka, l7proto, serverNames, listener, terminatingTLS, originatingTLS. */
  readonly others: readonly string[];
  readonly serverNames: readonly string[];
  readonly listener: string | null;
}

export interface CiliumIcmpField {
  readonly family: 'IPv4' | 'IPv6';
  /** 0–255. */
  readonly type: number;
}

/** One item of ingress, ingressDeny, egress or egressDeny; `from` and `to` are one. */
export interface CiliumRule {
  readonly endpoints: readonly LabelSelector[] | null;
  readonly cidr: readonly string[] | null;
  readonly cidrSet: readonly CiliumCidrSet[] | null;
  readonly entities: readonly string[] | null;
  readonly nodes: readonly LabelSelector[] | null;
  readonly groups: readonly unknown[] | null;
  /** Egress only. */
  readonly services: readonly CiliumServicePeer[] | null;
  /** Egress only, and not to deny. */
  readonly fqdns: readonly CiliumFqdn[] | null;
  readonly ports: readonly CiliumPortRule[] | null;
  readonly icmps: readonly (readonly CiliumIcmpField[])[] | null;
  /** Cilium's mutual authentication; null: not written. */
  readonly authentication: 'disabled' | 'required' | 'test-always-fail' | null;
}

/** `spec`, or one of `specs`. */
export interface CiliumSpec {
  readonly endpointSelector: LabelSelector | null;
  readonly nodeSelector: LabelSelector | null;
  readonly ingress: readonly CiliumRule[] | null;
  readonly ingressDeny: readonly CiliumRule[] | null;
  readonly egress: readonly CiliumRule[] | null;
  readonly egressDeny: readonly CiliumRule[] | null;
  readonly enableDefaultDeny: { readonly ingress: boolean | null; readonly egress: boolean | null };
}

/** What the two kinds of Cilium hold. */
export interface CiliumPolicyBody {
  /** `spec` first, then `specs`. */
  readonly specs: readonly CiliumSpec[];
  /** Not empty: Cilium would show the policy as `Valid=False` and enforce nothing of it. */
  readonly faults: readonly PolicyFault[];
}

export type NetworkPolicyPeer =
  /** At least one of the two is not null; namespaceSelector null: the policy's own namespace. */
  | { readonly kind: 'pods'; readonly podSelector: LabelSelector | null; readonly namespaceSelector: LabelSelector | null }
  | { readonly kind: 'ipBlock'; readonly cidr: Cidr; readonly except: readonly Cidr[] };

export interface NetworkPolicyPort {
  readonly protocol: 'TCP' | 'UDP' | 'SCTP';
  /** null: every port; a string names a port of the destination pod. */
  readonly port: number | string | null;
  readonly endPort: number | null;
}

/** An empty list does not restrict: everybody, every protocol and port. */
export interface NetworkPolicyRule {
  readonly peers: readonly NetworkPolicyPeer[];
  readonly ports: readonly NetworkPolicyPort[];
}

/** spec of a NetworkPolicy (networking.k8s.io/v1). */
export interface NetworkPolicyBody {
  readonly podSelector: LabelSelector;
  /** Kubernetes' default filled in: Ingress, and Egress where there are egress rules. */
  readonly policyTypes: readonly ('Ingress' | 'Egress')[];
  readonly ingress: readonly NetworkPolicyRule[];
  readonly egress: readonly NetworkPolicyRule[];
}

export type ClusterPeer =
  | { readonly kind: 'namespaces'; readonly selector: LabelSelector }
  | { readonly kind: 'pods'; readonly namespaceSelector: LabelSelector; readonly podSelector: LabelSelector }
  | { readonly kind: 'nodes'; readonly selector: LabelSelector }
  | { readonly kind: 'networks'; readonly cidrs: readonly Cidr[] }
  | { readonly kind: 'domainNames'; readonly names: readonly string[] }
  /** A member that this version does not know: the rule fails closed. */
  | { readonly kind: 'unknown'; readonly fields: readonly string[] };

export type ClusterProtocol =
  /** first–last; null: every port. */
  | { readonly kind: 'ports'; readonly protocol: 'TCP' | 'UDP' | 'SCTP'; readonly first: number | null; readonly last: number | null }
  | { readonly kind: 'named'; readonly name: string };

export interface ClusterPolicyRule {
  readonly name: string | null;
  readonly action: 'Accept' | 'Deny' | 'Pass';
  readonly peers: readonly ClusterPeer[];
  /** null: every protocol and port. */
  readonly protocols: readonly ClusterProtocol[] | null;
}

/** spec of a ClusterNetworkPolicy (policy.networking.k8s.io/v1alpha2). */
export interface ClusterPolicyBody {
  readonly tier: 'Admin' | 'Baseline';
  /** 0–1000; the lower goes first. */
  readonly priority: number;
  readonly subject: Extract<ClusterPeer, { readonly kind: 'namespaces' | 'pods' }>;
  readonly ingress: readonly ClusterPolicyRule[];
  readonly egress: readonly ClusterPolicyRule[];
}
