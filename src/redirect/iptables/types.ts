/**
 * What decides the rules of one pod, under the names that Istio's own tool and the contract data use (contract A.1). Lists are comma separated
 * text, as on Istio's command line; empty items are ignored.
 */
export interface IptablesConfig {
  /** Outbound capture port. */
  readonly ProxyPort: number;
  /** Inbound capture port. */
  readonly InboundCapturePort: number;
  /** HBONE: never captured inbound, never sent back to the proxy by the proxy's own connections. */
  readonly InboundTunnelPort: number;
  /** User ids (numbers or names) of the proxy; at least one. */
  readonly ProxyUID: string;
  /** Group ids of the proxy; empty: the same as ProxyUID. */
  readonly ProxyGID: string;
  /** Empty means REDIRECT; NONE means no rules at all. */
  readonly InboundInterceptionMode: '' | 'REDIRECT' | 'TPROXY' | 'NONE';
  /** TPROXY only: the packet mark, 1–4294967295 as decimal text. */
  readonly InboundTProxyMark: string;
  /** TPROXY only: the routing table that delivers marked packets locally. */
  readonly InboundTProxyRouteTable: string;
  /** `*`, a list of ports, or empty: nothing inbound is captured. */
  readonly InboundPortsInclude: string;
  /** Only honoured when InboundPortsInclude is `*`. */
  readonly InboundPortsExclude: string;
  /** `*`, a list of CIDRs of both families, or empty: nothing is captured by address. */
  readonly OutboundIPRangesInclude: string;
  /** A list of CIDRs; `*` is refused. */
  readonly OutboundIPRangesExclude: string;
  /** TCP ports captured in addition to the ranges. */
  readonly OutboundPortsInclude: string;
  /** TCP and UDP ports that are never captured; beats everything else. */
  readonly OutboundPortsExclude: string;
  /** Interfaces whose arriving traffic counts as outbound. */
  readonly RerouteVirtualInterfaces: string;
  /** Interfaces that are left alone in both directions. */
  readonly ExcludeInterfaces: string;
  /** `*`, or at most 64 group ids or names: only their traffic is captured. */
  readonly OwnerGroupsInclude: string;
  /** At most 64 group ids or names; consulted only when OwnerGroupsInclude is `*`. */
  readonly OwnerGroupsExclude: string;
  /** What counts as loopback in IPv4, inside 127.0.0.0/8; IPv6 always uses ::1/128. */
  readonly HostIPv4LoopbackCidr: string;
  /** Capture DNS to port 15053; without CaptureAllDNS only that to the servers named. */
  readonly RedirectDNS: boolean;
  readonly CaptureAllDNS: boolean;
  readonly DNSServersV4: readonly string[];
  readonly DNSServersV6: readonly string[];
  /** Drop packets that conntrack finds invalid instead of letting the stack answer them with a reset. */
  readonly DropInvalid: boolean;
  /** false, with DualStack false: IPv6 gets no rules and bypasses the mesh. */
  readonly EnableIPv6: boolean;
  /** Both families, whatever EnableIPv6 says. */
  readonly DualStack: boolean;
  /** Plan, and write nothing. */
  readonly DryRun: boolean;
}

/** Every key with its default; what the contract data does not name is empty or false. */
export const defaultIptablesConfig: IptablesConfig = {
  ProxyPort: 15001,
  InboundCapturePort: 15006,
  InboundTunnelPort: 15008,
  ProxyUID: '1337',
  ProxyGID: '1337',
  InboundInterceptionMode: '',
  InboundTProxyMark: '1337',
  InboundTProxyRouteTable: '133',
  InboundPortsInclude: '',
  InboundPortsExclude: '',
  OutboundIPRangesInclude: '',
  OutboundIPRangesExclude: '',
  OutboundPortsInclude: '',
  OutboundPortsExclude: '',
  RerouteVirtualInterfaces: '',
  ExcludeInterfaces: '',
  OwnerGroupsInclude: '*',
  OwnerGroupsExclude: '',
  HostIPv4LoopbackCidr: '127.0.0.1/32',
  RedirectDNS: false,
  CaptureAllDNS: false,
  DNSServersV4: [],
  DNSServersV6: [],
  DropInvalid: false,
  EnableIPv6: false,
  DualStack: false,
  DryRun: false,
};

export type Family = 4 | 6;

/** The tables that rules are written to, in the order in which they are written. `filter` is used by the guard alone. */
export const tableNames = ['filter', 'mangle', 'nat', 'raw'] as const;
export type TableName = (typeof tableNames)[number];

/** One rule: appended to its chain, or inserted at a position that counts from 1. */
export interface Rule {
  readonly chain: string;
  readonly position: number | null;
  /** The words after the chain, matches and target. */
  readonly spec: readonly string[];
}

export interface TablePlan {
  readonly table: TableName;
  /** Chains of our own, in the order in which they are made. */
  readonly chains: readonly string[];
  readonly rules: readonly Rule[];
}

/** What one family's tables shall hold; no table means no rules. */
export interface RuleSet {
  readonly family: Family;
  readonly tables: readonly TablePlan[];
}

export interface RulePlan {
  readonly v4: RuleSet;
  /** null: IPv6 is not touched. */
  readonly v6: RuleSet | null;
}

/** Chains with this prefix are ours to make, flush and delete; every other chain is foreign. */
export const chainPrefix = 'ISTIO_';
