import type { FlowEvent } from '../abi/gen/index.ts';
import { Direction, FlowFlags, FlowType, ObservationPoint, TraceReason } from '../abi/gen/index.ts';
import { formatIp, unmapIp } from '../pods/address.ts';
import { direction, eventType, flowType, ipVersion, policyMatchNames, socketPoint, traceToEndpoint, verdict } from './codes.ts';
import type { Directory, FlowRule, RuleDirectory } from './directory.ts';
import { endpointOf } from './endpoint-of.ts';
import { layer4Of, packetSummary } from './layer4.ts';
import type { Flow, PolicyName, Timestamp } from './types.ts';

/** What a flow needs besides its event. */
export interface FlowContext {
  readonly directory: Directory;
  readonly rules: RuleDirectory;
  readonly nodeName: string;
  readonly clusterName: string;
  readonly emitter: { readonly name: string; readonly version: string };
}

/** What one kernel event says, in Hubble's terms and with names. */
export function flowOfEvent(event: FlowEvent, time: Timestamp, uuid: string, context: FlowContext): Flow {
  const { directory, rules } = context;
  const dialled = event.originPort !== 0;
  const source = addressText(event.src);
  const destination = addressText(dialled ? event.origin : event.dst);
  const dport = dialled ? event.originPort : event.dport;
  const onSocket = event.type === FlowType.OPEN || event.type === FlowType.CLOSE;
  const transport = {
    family: event.family,
    protocol: event.protocol,
    sport: event.sport,
    dport,
    tcpFlags: onSocket ? null : event.tcpFlags,
  };
  const protocol = layer4Of(transport);
  const rule = event.rule === 0 ? null : rules.ruleOf(event.rule);
  const told = telling(event);
  const ports = protocol?.case === 'TCP' || protocol?.case === 'UDP' || protocol?.case === 'SCTP';
  const sourceService = ports ? directory.serviceAt(source, event.sport) : null;
  const destinationService = ports ? directory.serviceAt(destination, dport) : null;
  const replyKnown = (event.flags & FlowFlags.REPLY_UNKNOWN) === 0;
  const reply = replyKnown && (event.flags & FlowFlags.REPLY) !== 0;
  return {
    time,
    uuid,
    emitter: context.emitter,
    verdict: told.verdict,
    dropReason: told.drop,
    dropReasonDesc: told.drop,
    authType: 0,
    IP: { source, sourceXlated: '', destination, ipVersion: event.family === 6 ? ipVersion.v6 : ipVersion.v4, encrypted: false },
    ...(protocol === null ? {} : { l4: { protocol } }),
    source: endpointOf(event.srcIdentity, source, context),
    destination: endpointOf(event.dstIdentity, destination, context),
    Type: onSocket ? flowType.sock : flowType.l34,
    nodeName: context.nodeName,
    nodeLabels: [],
    sourceNames: directory.namesOf(source),
    destinationNames: directory.namesOf(destination),
    reply,
    eventType: told.event,
    ...(sourceService === null ? {} : { sourceService }),
    ...(destinationService === null ? {} : { destinationService }),
    trafficDirection: event.direction === Direction.EGRESS ? direction.egress : direction.ingress,
    policyMatchType: event.type === FlowType.VERDICT && rule !== null ? policyMatchNames.indexOf(rule.matchType) : 0,
    traceObservationPoint: event.type === FlowType.TRACE ? observationPoint(event.subtype) : 0,
    // The API counts from 1 and keeps 0 for "not known", which Cilium's programs write as a number above all others.
    traceReason: event.type === FlowType.TRACE && event.reason < TraceReason.UNKNOWN ? event.reason + 1 : 0,
    ...(replyKnown ? { isReply: reply } : {}),
    debugCapturePoint: 0,
    ...(event.interface === 0 ? {} : { interface: { index: event.interface, name: directory.interfaceName(event.interface) } }),
    proxyPort: dialled ? event.dport : 0,
    sockXlatePoint: told.socketPoint,
    Summary: onSocket ? connectionSummary(event) : packetSummary(transport),
    ...policiesOf(rule, event.direction === Direction.EGRESS, told.verdict),
  };
}

/** The text of a 16-byte address, IPv4 mapped. */
export function addressText(bytes: Uint8Array): string {
  return formatIp(unmapIp({ family: 6, bytes }));
}

interface Telling {
  readonly verdict: number;
  readonly drop: number;
  readonly event: { readonly type: number; readonly subType: number };
  readonly socketPoint: number;
}

function telling(event: FlowEvent): Telling {
  switch (event.type) {
    case FlowType.DROP:
      return { verdict: verdict.dropped, drop: event.subtype, event: { type: eventType.drop, subType: event.subtype }, socketPoint: 0 };
    case FlowType.VERDICT: {
      const audited = (event.flags & FlowFlags.AUDITED) !== 0;
      const denied = event.subtype !== 0;
      return {
        verdict: audited ? verdict.audit : denied ? verdict.dropped : verdict.forwarded,
        drop: audited ? 0 : event.subtype,
        // Cilium leaves the sub type of a verdict empty
        event: { type: eventType.policyVerdict, subType: 0 },
        socketPoint: 0,
      };
    }
    case FlowType.TRACE:
      return { verdict: verdict.forwarded, drop: 0, event: { type: eventType.trace, subType: event.subtype }, socketPoint: 0 };
    default: {
      // Hubble has no word for a connection. The nearest are its events of sockets, seen before or after an address was translated.
      const translated = (event.flags & FlowFlags.REDIRECTED) !== 0;
      const closing = event.type === FlowType.CLOSE;
      const point = closing
        ? translated
          ? socketPoint.afterReverse
          : socketPoint.beforeReverse
        : translated
          ? socketPoint.after
          : socketPoint.before;
      return {
        verdict: translated ? verdict.redirected : verdict.forwarded,
        drop: 0,
        event: { type: eventType.traceSock, subType: point },
        socketPoint: point,
      };
    }
  }
}

function observationPoint(subtype: number): number {
  return subtype === ObservationPoint.TO_ENDPOINT ? traceToEndpoint : subtype;
}

function connectionSummary(event: FlowEvent): string {
  const path = [
    [FlowFlags.REDIRECTED, 'through the proxy'],
    [FlowFlags.OF_PROXY, 'of the proxy'],
    [FlowFlags.DIRECT, 'past both proxies'],
    [FlowFlags.ACCELERATED, 'past the TCP stack'],
  ] as const;
  const words = path.filter(([flag]) => (event.flags & flag) !== 0).map(([, text]) => text);
  const how = words.length === 0 ? '' : ` ${words.join(', ')}`;
  if (event.type === FlowType.OPEN) return `Connection opened${how}`;
  const accelerated = event.bytesAccelerated === 0n ? '' : `, ${event.bytesAccelerated} bytes accelerated`;
  return `Connection closed${how}: ${event.bytesSent} bytes sent, ${event.bytesReceived} bytes received${accelerated}`;
}

function policiesOf(rule: FlowRule | null, egress: boolean, outcome: number) {
  const none: readonly PolicyName[] = [];
  const policies = rule === null ? none : rule.policies.map((policy) => ({ ...policy, revision: 0n }));
  const denied = outcome === verdict.dropped || outcome === verdict.audit;
  return {
    egressAllowedBy: egress && !denied ? policies : none,
    ingressAllowedBy: !egress && !denied ? policies : none,
    egressDeniedBy: egress && denied ? policies : none,
    ingressDeniedBy: !egress && denied ? policies : none,
    policyLog: rule?.log == null ? [] : [rule.log],
  };
}
