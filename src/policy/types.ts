import type { Cidr } from '../pods/types.ts';

/** A pod that policy may select or name as a peer. Pure data: the agent, the lab and tests make it. */
export interface PolicyPod {
  readonly name: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly serviceAccount: string;
  /** Canonical text, primary first; at least one. Of a pod on the host network: those of its node. */
  readonly addresses: readonly string[];
  /** `protocol` is an IP protocol number (6, 17, 132). */
  readonly namedPorts: readonly { readonly name: string; readonly protocol: number; readonly port: number }[];
  /** Its addresses are its node's, so no policy selects it and it speaks as the node. */
  readonly hostNetwork: boolean;
  /** Whether it runs on this node. */
  readonly local: boolean;
  readonly workload: { readonly kind: string; readonly name: string } | null;
}

export interface PolicyNamespace {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

export interface PolicyService {
  readonly name: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Empty: the Service has no pods of its own, only `externalEndpoints`. */
  readonly selector: Readonly<Record<string, string>>;
  readonly clusterIPs: readonly string[];
  readonly ports: readonly { readonly name: string | null; readonly protocol: number; readonly port: number }[];
  /** Addresses that its Endpoints name without a pod behind them. */
  readonly externalEndpoints: readonly string[];
}

export interface PolicyNode {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly addresses: readonly string[];
  /** Whether it is the node that the policy is compiled for: its addresses are the identity `host`. */
  readonly local: boolean;
}

/** Everything that compiled policy is a function of, besides the policies. */
export interface PolicyCluster {
  readonly pods: readonly PolicyPod[];
  readonly namespaces: readonly PolicyNamespace[];
  readonly services: readonly PolicyService[];
  readonly nodes: readonly PolicyNode[];
  /** Addresses that DNS gave the pods for each name; names in lower case without the last dot. */
  readonly names: ReadonlyMap<string, readonly string[]>;
}

export type PolicyKind = 'CiliumNetworkPolicy' | 'CiliumClusterwideNetworkPolicy' | 'NetworkPolicy' | 'ClusterNetworkPolicy';
export type Direction = 'ingress' | 'egress';
/** In the order in which they are asked (enum mr_tier). */
export type Tier = 'admin' | 'normal' | 'baseline';
export type RuleAction = 'allow' | 'deny' | 'pass';

/** Names a policy object; `namespace` is '' for kinds of the whole cluster. */
export interface PolicyReference {
  readonly kind: PolicyKind;
  readonly namespace: string;
  readonly name: string;
}

/** One condition on a label. `source` is k8s, reserved, node, cidr, fqdn, or `any` of them. */
export interface LabelRequirement {
  readonly source: string;
  readonly key: string;
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
  readonly values: readonly string[];
}

/** All of these hold; none: everything that has an identity. */
export type EndpointSelector = readonly LabelRequirement[];

/** Whom a rule names. Each kind of policy has its own idea of what a range of addresses covers. */
export type Peer =
  | { readonly kind: 'endpoints'; readonly selector: EndpointSelector }
  /** `inCluster`: pods and nodes are covered too (NetworkPolicy, ClusterNetworkPolicy); false: only what has no better identity (Cilium). */
  | { readonly kind: 'cidr'; readonly cidr: Cidr; readonly except: readonly Cidr[]; readonly inCluster: boolean }
  | { readonly kind: 'service'; readonly namespace: string; readonly name: string }
  /** Services by their labels; namespace null: of every namespace. */
  | { readonly kind: 'services'; readonly namespace: string | null; readonly selector: EndpointSelector }
  /** A lower-case name without the last dot; in a pattern `*` stands for part of a label, leading `**.` for several. */
  | { readonly kind: 'fqdn'; readonly match: 'name' | 'pattern'; readonly text: string }
  | { readonly kind: 'nodes'; readonly selector: EndpointSelector };

/** `everybody`: also who has no identity. `some` of an empty list is nobody. */
export type Peers = { readonly kind: 'everybody' } | { readonly kind: 'some'; readonly peers: readonly Peer[] };

/** One way to match protocol and port. `last` counts: 80–80 is one port, 0–65535 every port of the protocol. */
export type PortMatch =
  | { readonly kind: 'range'; readonly protocol: number; readonly first: number; readonly last: number }
  /** A name that the destination pod gives a port; `protocol` null: of any protocol. */
  | { readonly kind: 'named'; readonly protocol: number | null; readonly name: string }
  /** `protocol` is 1 (ICMP) or 58 (ICMPv6). */
  | { readonly kind: 'icmp'; readonly protocol: number; readonly type: number };

export interface PolicyRule {
  readonly direction: Direction;
  readonly action: RuleAction;
  /** Within the tier: the greater is asked first; at least 1. At equal rank deny goes before allow, and allow before pass. */
  readonly rank: number;
  /** Its place in the list of the manifest, from 0. */
  readonly index: number;
  /** The name that the manifest gives it. */
  readonly name: string | null;
  readonly peers: Peers;
  /** null: every protocol and port; an empty list: none. */
  readonly ports: readonly PortMatch[] | null;
  /** The rule has conditions on HTTP or DNS messages, which only a proxy can enforce. */
  readonly l7: boolean;
}

/** One `spec`: whom it selects and what holds for them. */
export interface PolicySection {
  /** Its place among the specs of the object, from 0. */
  readonly index: number;
  readonly subject: EndpointSelector;
  readonly tier: Tier;
  /** Whether what no rule of the tier allows is denied, by direction. */
  readonly defaultDeny: { readonly ingress: boolean; readonly egress: boolean };
  readonly rules: readonly PolicyRule[];
}

/** A policy object of any kind, in the one form that the compiler and the evaluator read. */
export interface Policy {
  readonly reference: PolicyReference;
  readonly sections: readonly PolicySection[];
  /** Why it is not enforced at all; empty: it is valid. */
  readonly problems: readonly string[];
}

/** A number for everybody that policy cannot tell apart, and the labels that Hubble shows for it. */
export interface Identity {
  readonly id: number;
  /** `k8s:app=sleep`, `reserved:host`, sorted. */
  readonly labels: readonly string[];
  readonly kind: 'reserved' | 'pods' | 'range' | 'node';
}

export interface IpcacheEntry {
  /** Canonical text of a range; one address is a /32 or /128. */
  readonly prefix: string;
  readonly identity: number;
}

/** A direction that is not enforced passes. */
export interface CompiledSubject {
  readonly identity: number;
  readonly policy: number;
  readonly ingress: boolean;
  readonly egress: boolean;
}

/** precedence: rank << 8 | enum mr_action; rule: an id in CompiledPolicy.rules, or 0. */
export interface PolicyCell {
  readonly precedence: number;
  readonly rule: number;
}

export type PolicyTiers = readonly [admin: PolicyCell, normal: PolicyCell, baseline: PolicyCell];

/** One row of mr_policy. The key's prefix is 72 where protocol is 0, else 80 + portBits. */
export interface PolicyRow {
  /** 0: everybody. */
  readonly peer: number;
  readonly direction: Direction;
  /** IP protocol number; 0: any, and then port and portBits are 0. */
  readonly protocol: number;
  /** Host order; bits after the first `portBits` are 0. ICMP: type << 8. */
  readonly port: number;
  readonly portBits: number;
  readonly tiers: PolicyTiers;
}

/** The words of Cilium's policy-verdict events (contract 1.3). */
export type MatchType = 'none' | 'L3-Only' | 'L3-L4' | 'L4-Only' | 'all' | 'L3-Proto' | 'Proto-Only';

/** What a rule id stands for. `policy` is null for what Millrace itself lets in (the node's own traffic to its pods). */
export interface CompiledRule {
  readonly id: number;
  readonly policy: PolicyReference | null;
  readonly direction: Direction;
  readonly action: RuleAction | 'default-deny';
  /** Place of the spec and of the rule in its list; -1 for a default deny. */
  readonly section: number;
  readonly index: number;
  readonly name: string | null;
  readonly matchType: MatchType;
}

/** Rules by id. */
export interface CompiledRules {
  get(id: number): CompiledRule | undefined;
  keys(): Iterable<number>;
  values(): Iterable<CompiledRule>;
}

export interface CompiledEndpoint {
  readonly namespace: string;
  readonly name: string;
  readonly identity: number;
}

/** What the table writer brings into the kernel. Parts that did not change are the same objects as in the last one. */
export interface CompiledPolicy {
  readonly identities: readonly Identity[];
  readonly ipcache: readonly IpcacheEntry[];
  /** Every pod that is not on the host network, with the identity of its first address. */
  readonly endpoints: readonly CompiledEndpoint[];
  /** Every identity that a policy selects, on whichever node. */
  readonly subjects: readonly CompiledSubject[];
  /**
   * By policy number. A number whose rows are another array than before differs from it only in rows of identities that came or went with this
   * compilation: new rows are written before the ipcache, old ones removed after it. Everything else that changes gets a new number.
   */
  readonly rows: ReadonlyMap<number, readonly PolicyRow[]>;
  readonly rules: CompiledRules;
  /** One for each policy given, in their order. */
  readonly statuses: readonly PolicyStatus[];
}

/** Whether a policy object is enforced, as its `Valid` condition says. */
export interface PolicyStatus {
  readonly reference: PolicyReference;
  readonly valid: boolean;
  readonly reasons: readonly string[];
}

/** A first packet, as one of its pods sees it. */
export interface PolicyFlow {
  /** Whose policy is asked: the source's egress or the destination's ingress. */
  readonly direction: Direction;
  readonly source: string;
  readonly destination: string;
  /** IP protocol number. */
  readonly protocol: number;
  /** Destination port; ICMP: type << 8 | code; 0 for protocols without. */
  readonly port: number;
}

/** Drop reasons are Cilium's: 133 no rule allows it, 181 a rule denies it, 203 rows are missing. */
export interface PolicyVerdict {
  readonly verdict: 'allow' | 'deny';
  readonly reason: 133 | 181 | 203 | null;
}
