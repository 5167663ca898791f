import {
  capturePointNames,
  direction,
  directionNames,
  eventType,
  l7TypeNames,
  policyMatchNames,
  reservedIdentities,
  socketPointNames,
  tracePointNames,
  verdict,
  verdictNames,
} from '../codes.ts';
import { dropText } from '../drop-text.ts';
import type { Endpoint, Flow, PolicyName } from '../types.ts';
import type { Painter } from './colour.ts';

/** Ports as text; empty where the protocol has none. */
function portsOf(flow: Flow): readonly [string, string] {
  const protocol = flow.l4?.protocol;
  return protocol?.case === 'TCP' || protocol?.case === 'UDP' || protocol?.case === 'SCTP'
    ? [String(protocol.value.sourcePort), String(protocol.value.destinationPort)]
    : ['', ''];
}

/** Both ends as Hubble writes them: `namespace/pod:port`, a service, names, or the address. */
export function hostsOf(flow: Flow, painter: Painter, names: boolean): readonly [string, string] {
  if (flow.IP === undefined) {
    return flow.ethernet === undefined ? ['', ''] : [painter.host(flow.ethernet.source), painter.host(flow.ethernet.destination)];
  }
  const [sourcePort, destinationPort] = portsOf(flow);
  const source = names ? nameOf(flow.source, flow.sourceService, flow.sourceNames) : null;
  const destination = names ? nameOf(flow.destination, flow.destinationService, flow.destinationNames) : null;
  return [
    painter.host(withPort(source ?? flow.IP.source, sourcePort, painter)),
    painter.host(withPort(destination ?? flow.IP.destination, destinationPort, painter)),
  ];
}

function nameOf(endpoint: Endpoint | undefined, service: Flow['sourceService'], names: readonly string[]): string | null {
  const namespace = service?.namespace ?? endpoint?.namespace ?? '';
  const within = (name: string): string => (namespace === '' ? name : `${namespace}/${name}`);
  if (endpoint !== undefined && endpoint.podName !== '') return within(endpoint.podName);
  if (service !== undefined && service.name !== '') return within(service.name);
  return names.length > 0 ? names.join(',') : null;
}

function withPort(host: string, port: string, painter: Painter): string {
  if (port === '' || port === '0') return host;
  return host.includes(':') ? `[${host}]:${painter.port(port)}` : `${host}:${painter.port(port)}`;
}

/** `(host)`, `(ID:256)`. */
export function identityOf(endpoint: Endpoint | undefined, painter: Painter): string {
  const identity = endpoint?.identity ?? 0;
  return painter.identity(`(${reservedIdentities.get(identity) ?? `ID:${identity}`})`);
}

/** `http-request`, `to-endpoint`, `Policy denied`, `policy-verdict:L3-L4 EGRESS`. */
export function typeOf(flow: Flow): string {
  if (flow.l7 !== undefined) return layer7Type(flow.l7);
  const { type, subType } = flow.eventType ?? { type: 0, subType: 0 };
  switch (type) {
    case eventType.trace:
      return tracePointNames[subType & 0xff] ?? String(subType & 0xff);
    case eventType.drop:
      return dropText(subType & 0xff);
    case eventType.policyVerdict:
      return `policy-verdict:${policyMatchNames[flow.policyMatchType] ?? 'unknown'} ${directionNames[flow.trafficDirection] ?? flow.trafficDirection}`;
    case eventType.capture:
      return capturePointNames[flow.debugCapturePoint] ?? String(flow.debugCapturePoint);
    case eventType.traceSock:
      return socketPointNames[flow.sockXlatePoint] ?? String(flow.sockXlatePoint);
    default:
      return 'UNKNOWN';
  }
}

function layer7Type({ type, record }: NonNullable<Flow['l7']>): string {
  const what = l7TypeNames[type] ?? String(type);
  switch (record.case) {
    case 'http':
      return `http-${what}`;
    case 'kafka':
      return `kafka-${what}`;
    case 'dns':
      return `dns-${what} ${record.value.observationSource}`;
    case undefined:
      return `l7-${what}`;
  }
}

/** The verdict in Hubble's word, of a policy's verdict in the other one, with the policies that made it if wanted. */
export function verdictOf(flow: Flow, painter: Painter, policies: boolean): string {
  const word = verdictNames[flow.verdict] ?? String(flow.verdict);
  const ofPolicy = flow.eventType?.type === eventType.policyVerdict;
  switch (flow.verdict) {
    case verdict.forwarded:
    case verdict.redirected:
      return painter.good(ofPolicy ? `ALLOWED${policies ? deciders(flow, flow.egressAllowedBy, flow.ingressAllowedBy) : ''}` : word);
    case verdict.dropped:
    case verdict.error:
      return painter.bad(ofPolicy ? `DENIED${policies ? deciders(flow, flow.egressDeniedBy, flow.ingressDeniedBy) : ''}` : word);
    case verdict.audit:
      return painter.noted(ofPolicy ? 'AUDITED' : word);
    case verdict.traced:
    case verdict.translated:
      return painter.noted(word);
    default:
      return word;
  }
}

function deciders(flow: Flow, egress: readonly PolicyName[], ingress: readonly PolicyName[]): string {
  const list = flow.trafficDirection === direction.egress ? egress : flow.trafficDirection === direction.ingress ? ingress : [];
  const names = list.filter(({ kind, name }) => kind !== '' && name !== '').map(({ kind, name }) => `${name} (${kind})`);
  return names.length === 0 ? '' : ` BY ${names.join(', ')}`;
}

/** enum flow.AuthType by number. */
const authNames = ['DISABLED', 'SPIRE', 'TEST_ALWAYS_FAIL'] as const;

/** What else there is to say. */
export function summaryOf(flow: Flow, painter: Painter): string {
  const trace = (flow.ipTraceId?.traceId ?? 0n) > 0n ? `IP Trace ID: ${flow.ipTraceId?.traceId}; ` : '';
  if (flow.authType === 0) return trace + flow.Summary;
  const name = authNames[flow.authType] ?? String(flow.authType);
  return `${trace}${flow.Summary}; Auth: ${name === 'TEST_ALWAYS_FAIL' ? painter.bad(name) : painter.good(name)}`;
}
