/** As google.protobuf.Timestamp: seconds since 1970 and nanoseconds, 0–999999999. */
export interface Timestamp {
  readonly seconds: bigint;
  readonly nanos: number;
}

/** One side of a flow. Empty text and 0 mean: not known. */
export interface Endpoint {
  readonly ID: number;
  readonly identity: number;
  readonly clusterName: string;
  readonly namespace: string;
  /** `source:key=value`, sorted: `k8s:app=sleep`, `reserved:world`. */
  readonly labels: readonly string[];
  readonly podName: string;
  readonly workloads: readonly Workload[];
}

export interface Workload {
  readonly name: string;
  readonly kind: string;
}

export interface ServiceName {
  readonly name: string;
  readonly namespace: string;
}

export interface TcpFlags {
  readonly FIN: boolean;
  readonly SYN: boolean;
  readonly RST: boolean;
  readonly PSH: boolean;
  readonly ACK: boolean;
  readonly URG: boolean;
  readonly ECE: boolean;
  readonly CWR: boolean;
  readonly NS: boolean;
}

interface Ports {
  readonly sourcePort: number;
  readonly destinationPort: number;
}

interface IcmpType {
  readonly type: number;
  readonly code: number;
}

export type Layer4 =
  | { readonly case: 'TCP'; readonly value: Ports & { readonly flags?: TcpFlags } }
  | { readonly case: 'UDP'; readonly value: Ports }
  | { readonly case: 'SCTP'; readonly value: Ports }
  | { readonly case: 'ICMPv4'; readonly value: IcmpType }
  | { readonly case: 'ICMPv6'; readonly value: IcmpType }
  | { readonly case: 'VRRP'; readonly value: object }
  | { readonly case: 'IGMP'; readonly value: object }
  | { readonly case: undefined; readonly value?: undefined };

export interface HttpRecord {
  /** 0 in a request. */
  readonly code: number;
  readonly method: string;
  readonly url: string;
  readonly protocol: string;
  readonly headers: readonly { readonly key: string; readonly value: string }[];
}

export interface DnsRecord {
  readonly query: string;
  readonly ips: readonly string[];
  /** seconds */
  readonly ttl: number;
  readonly cnames: readonly string[];
  readonly observationSource: string;
  readonly rcode: number;
  readonly qtypes: readonly string[];
  readonly rrtypes: readonly string[];
}

export interface Layer7 {
  /** l7Type */
  readonly type: number;
  readonly latencyNs: bigint;
  readonly record:
    | { readonly case: 'http'; readonly value: HttpRecord }
    | { readonly case: 'dns'; readonly value: DnsRecord }
    | { readonly case: 'kafka'; readonly value: object }
    | { readonly case: undefined; readonly value?: undefined };
}

/** A policy that decided. */
export interface PolicyName {
  readonly name: string;
  readonly namespace: string;
  readonly labels: readonly string[];
  readonly revision: bigint;
  readonly kind: string;
}

/**
 * What happened to one packet, connection or request, in Hubble's terms: field for field flow.Flow of its API (proto/flow/flow.proto), so that a
 * message from any Hubble server is one of these too. Numbers of enumerations: codes.ts.
 */
export interface Flow {
  readonly time?: Timestamp;
  readonly uuid: string;
  readonly emitter?: { readonly name: string; readonly version: string };
  readonly verdict: number;
  readonly dropReason: number;
  readonly authType: number;
  readonly ethernet?: { readonly source: string; readonly destination: string };
  readonly IP?: {
    readonly source: string;
    readonly sourceXlated: string;
    readonly destination: string;
    readonly ipVersion: number;
    readonly encrypted: boolean;
  };
  readonly l4?: { readonly protocol: Layer4 };
  readonly source?: Endpoint;
  readonly destination?: Endpoint;
  readonly Type: number;
  readonly nodeName: string;
  readonly nodeLabels: readonly string[];
  readonly sourceNames: readonly string[];
  readonly destinationNames: readonly string[];
  readonly l7?: Layer7;
  readonly reply: boolean;
  readonly eventType?: { readonly type: number; readonly subType: number };
  readonly sourceService?: ServiceName;
  readonly destinationService?: ServiceName;
  readonly trafficDirection: number;
  readonly policyMatchType: number;
  readonly traceObservationPoint: number;
  readonly traceReason: number;
  readonly ipTraceId?: { readonly traceId: bigint };
  readonly dropReasonDesc: number;
  /** Absent: not known. */
  readonly isReply?: boolean;
  readonly debugCapturePoint: number;
  readonly interface?: { readonly index: number; readonly name: string };
  readonly proxyPort: number;
  readonly traceContext?: { readonly parent?: { readonly traceId: string } };
  readonly sockXlatePoint: number;
  readonly Summary: string;
  readonly egressAllowedBy: readonly PolicyName[];
  readonly ingressAllowedBy: readonly PolicyName[];
  readonly egressDeniedBy: readonly PolicyName[];
  readonly ingressDeniedBy: readonly PolicyName[];
  readonly policyLog: readonly string[];
}

/** Events that nobody saw. */
export interface LostEvents {
  /** lostSource */
  readonly source: number;
  readonly numEventsLost: bigint;
  readonly first?: Timestamp;
  readonly last?: Timestamp;
}
