import { formatIp, parseIp, unmapIp } from '../pods/address.ts';
import { eventType, flowType, ipVersion, l7Type } from './codes.ts';
import { endpointOf } from './endpoint-of.ts';
import type { FlowContext } from './flow-of-event.ts';
import type { Flow, Layer4, Layer7 } from './types.ts';
import { timestampOf } from './wall-clock.ts';

/** An address and a port. */
export interface Place {
  readonly address: string;
  readonly port: number;
}

/** What is common to requests and answers of all protocols above TCP and UDP. */
export interface Message {
  /** Since 1970. */
  readonly timeNs: bigint;
  /** Who asks. */
  readonly client: Place;
  readonly server: Place;
  /** Where the client dialled, if that was a service. */
  readonly dialled: Place;
  readonly transport: 'TCP' | 'UDP';
  readonly answer: boolean;
  readonly direction: number;
  readonly verdict: number;
  readonly record: Layer7['record'];
  /** 0 in a request. */
  readonly latencyNs: bigint;
  readonly summary: string;
}

/** The flow of one message; the ring gives it its uuid. Source and destination are those of the message: an answer comes from the server. */
export function flowOfMessage(message: Message, context: FlowContext): Flow {
  const { directory } = context;
  const { client, server, dialled, answer } = message;
  const [source, destination] = answer ? [server, client] : [client, server];
  const service = directory.serviceAt(dialled.address, dialled.port) ?? directory.serviceAt(server.address, server.port);
  const ports = { sourcePort: source.port, destinationPort: destination.port };
  const protocol: Layer4 = { case: message.transport, value: ports };
  const identity = (address: string): number => directory.podAt(address)?.identity ?? directory.identityAt(address);
  return {
    time: timestampOf(message.timeNs),
    uuid: '',
    emitter: context.emitter,
    verdict: message.verdict,
    dropReason: 0,
    dropReasonDesc: 0,
    authType: 0,
    IP: {
      source: source.address,
      sourceXlated: '',
      destination: destination.address,
      ipVersion: source.address.includes(':') ? ipVersion.v6 : ipVersion.v4,
      encrypted: false,
    },
    l4: { protocol },
    source: endpointOf(identity(source.address), source.address, context),
    destination: endpointOf(identity(destination.address), destination.address, context),
    Type: flowType.l7,
    nodeName: context.nodeName,
    nodeLabels: [],
    sourceNames: directory.namesOf(source.address),
    destinationNames: directory.namesOf(destination.address),
    l7: { type: answer ? l7Type.response : l7Type.request, latencyNs: message.latencyNs, record: message.record },
    reply: answer,
    isReply: answer,
    eventType: { type: eventType.accessLog, subType: 0 },
    ...(service === null ? {} : answer ? { sourceService: service } : { destinationService: service }),
    trafficDirection: message.direction,
    policyMatchType: 0,
    traceObservationPoint: 0,
    traceReason: 0,
    debugCapturePoint: 0,
    proxyPort: 0,
    sockXlatePoint: 0,
    Summary: message.summary,
    egressAllowedBy: [],
    ingressAllowedBy: [],
    egressDeniedBy: [],
    ingressDeniedBy: [],
    policyLog: [],
  };
}

/** Reads `10.0.0.1:80` and `[fd00::1]:80`; null for anything else (`-`, a path, an internal listener). */
export function parsePlace(text: string): Place | null {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):([0-9]{1,5})$/.exec(text);
  const address = parseIp(match?.[1] ?? match?.[2] ?? '');
  const port = Number(match?.[3] ?? '');
  return address === null || port > 65535 ? null : { address: formatIp(unmapIp(address)), port };
}
