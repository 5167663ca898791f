// Numbers of Hubble's API (proto/flow/flow.proto) and of Cilium's monitor, as far as we use them. Tests hold them to the generated interfaces.

export const verdict = { unknown: 0, forwarded: 1, dropped: 2, error: 3, audit: 4, redirected: 5, traced: 6, translated: 7 } as const;

/** enum flow.Verdict by number. */
export const verdictNames = ['VERDICT_UNKNOWN', 'FORWARDED', 'DROPPED', 'ERROR', 'AUDIT', 'REDIRECTED', 'TRACED', 'TRANSLATED'] as const;

export const flowType = { unknown: 0, l34: 1, l7: 2, sock: 3 } as const;

export const direction = { unknown: 0, ingress: 1, egress: 2 } as const;

/** enum flow.TrafficDirection by number. */
export const directionNames = ['TRAFFIC_DIRECTION_UNKNOWN', 'INGRESS', 'EGRESS'] as const;

export const ipVersion = { none: 0, v4: 1, v6: 2 } as const;

/** enum flow.IPVersion by number. */
export const ipVersionNames = ['IP_NOT_USED', 'IPv4', 'IPv6'] as const;

export const l7Type = { unknown: 0, request: 1, response: 2, sample: 3 } as const;

/** What `hubble observe` prints of enum flow.L7FlowType. */
export const l7TypeNames = ['unknown_l7_type', 'request', 'response', 'sample'] as const;

/** Kinds of events (pkg/monitor/api): flow.CiliumEventType.type. */
export const eventType = {
  drop: 1,
  debug: 2,
  capture: 3,
  trace: 4,
  policyVerdict: 5,
  traceSock: 7,
  accessLog: 129,
  agent: 130,
} as const;

/** The names of event types on the command line. */
export const eventTypeNames: ReadonlyMap<string, number> = new Map([
  ['drop', eventType.drop],
  ['debug', eventType.debug],
  ['capture', eventType.capture],
  ['trace', eventType.trace],
  ['l7', eventType.accessLog],
  ['agent', eventType.agent],
  ['policy-verdict', eventType.policyVerdict],
  ['trace-sock', eventType.traceSock],
]);

/** Where a trace was made, by the sub type of its event. */
export const tracePointNames = [
  'to-endpoint',
  'to-proxy',
  'to-host',
  'to-stack',
  'to-overlay',
  'from-endpoint',
  'from-proxy',
  'from-host',
  'from-stack',
  'from-overlay',
  'from-network',
  'to-network',
  'from-crypto',
  'to-crypto',
] as const;

/** flow.TraceObservationPoint of the sub type 0, whose number the API keeps for "not known". */
export const traceToEndpoint = 101;

/** enum flow.SocketTranslationPoint. */
export const socketPoint = { unknown: 0, before: 1, after: 2, beforeReverse: 3, afterReverse: 4 } as const;

/** What `hubble observe` prints of it. */
export const socketPointNames = ['SOCK_XLATE_POINT_UNKNOWN', 'pre-xlate-fwd', 'post-xlate-fwd', 'pre-xlate-rev', 'post-xlate-rev'] as const;

/** enum flow.DebugCapturePoint by number. */
export const capturePointNames: Readonly<Record<number, string>> = {
  0: 'DBG_CAPTURE_POINT_UNKNOWN',
  4: 'DBG_CAPTURE_DELIVERY',
  5: 'DBG_CAPTURE_FROM_LB',
  6: 'DBG_CAPTURE_AFTER_V46',
  7: 'DBG_CAPTURE_AFTER_V64',
  8: 'DBG_CAPTURE_PROXY_PRE',
  9: 'DBG_CAPTURE_PROXY_POST',
  10: 'DBG_CAPTURE_SNAT_PRE',
  11: 'DBG_CAPTURE_SNAT_POST',
};

/** How specific the row was that decided, by number, in the words that Hubble prints (pkg/monitor/api, PolicyMatchType). */
export const policyMatchNames = ['none', 'L3-Only', 'L3-L4', 'L4-Only', 'all', 'L3-Proto', 'Proto-Only'] as const;

/** enum flow.LostEventSource. */
export const lostSource = { unknown: 0, kernelRing: 1, queue: 2, recentFlows: 3 } as const;

/** enum flow.LostEventSource by number. */
export const lostSourceNames = [
  'UNKNOWN_LOST_EVENT_SOURCE',
  'PERF_EVENT_RING_BUFFER',
  'OBSERVER_EVENTS_QUEUE',
  'HUBBLE_RING_BUFFER',
] as const;

/** Identities that have a name of their own; all others are numbers (pkg/identity/numericidentity.go). */
export const reservedIdentities: ReadonlyMap<number, string> = new Map([
  [0, 'unknown'],
  [1, 'host'],
  [2, 'world'],
  [3, 'unmanaged'],
  [4, 'health'],
  [5, 'init'],
  [6, 'remote-node'],
  [7, 'kube-apiserver'],
  [8, 'ingress'],
  [9, 'world-ipv4'],
  [10, 'world-ipv6'],
]);

/** Protocol numbers of IP. */
export const ipProtocol = { icmp: 1, tcp: 6, udp: 17, icmpv6: 58, sctp: 132 } as const;

/** What a cluster is called when nobody named it. */
export const defaultClusterName = 'default';

/** The label by which an endpoint's namespace is known. */
export const namespaceLabel = 'k8s:io.kubernetes.pod.namespace=';
