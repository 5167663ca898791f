import { defaultClusterName, verdict } from '../codes.ts';
import type { Flow, TcpFlags } from '../types.ts';
import { addressMatcher } from './address.ts';
import { filterError } from './error.ts';
import type { Matcher } from './matcher.ts';
import { given, oneOf } from './matcher.ts';
import { nodeNamePattern } from './patterns.ts';
import type { FlowFilter } from './types.ts';

/** Protocols by their name in a filter; `icmp` is both. */
const protocols: Readonly<Record<string, (flow: Flow) => boolean>> = {
  icmp: (flow) => flow.l4?.protocol.case === 'ICMPv4' || flow.l4?.protocol.case === 'ICMPv6',
  icmpv4: (flow) => flow.l4?.protocol.case === 'ICMPv4',
  icmpv6: (flow) => flow.l4?.protocol.case === 'ICMPv6',
  tcp: (flow) => flow.l4?.protocol.case === 'TCP',
  udp: (flow) => flow.l4?.protocol.case === 'UDP',
  sctp: (flow) => flow.l4?.protocol.case === 'SCTP',
  vrrp: (flow) => flow.l4?.protocol.case === 'VRRP',
  igmp: (flow) => flow.l4?.protocol.case === 'IGMP',
  dns: (flow) => flow.l7?.record.case === 'dns',
  http: (flow) => flow.l7?.record.case === 'http',
  kafka: (flow) => flow.l7?.record.case === 'kafka',
};

/** Names of protocols that a filter knows. */
export const protocolNames: readonly string[] = Object.keys(protocols);

/** What a filter asks of the packet, its fate and the place where it was seen. */
export function packetMatchers(filter: FlowFilter): readonly Matcher[] {
  return [
    ...oneOf(filter.uuid, (flow) => flow.uuid),
    ...given(filter.eventType, eventTypeMatcher),
    ...oneOf(filter.verdict, (flow) => flow.verdict),
    ...oneOf(filter.dropReasonDesc, (flow) => flow.dropReasonDesc),
    ...given(filter.reply, replyMatcher),
    ...oneOf(filter.encrypted, (flow) => flow.IP?.encrypted ?? false),
    ...given(filter.protocol, protocolMatcher),
    ...given(filter.sourceIpXlated, (list) => addressMatcher('source_ip_xlated', list, (flow) => flow.IP?.sourceXlated)),
    ...portMatchers('source_port', filter.sourcePort, (ports) => ports.sourcePort),
    ...portMatchers('destination_port', filter.destinationPort, (ports) => ports.destinationPort),
    ...given(filter.tcpFlags, tcpFlagsMatcher),
    ...given(filter.nodeName, nodeNameMatcher),
    ...oneOf(filter.ipVersion, (flow) => flow.IP?.ipVersion ?? 0),
    ...oneOf(filter.traceId, (flow) => flow.traceContext?.parent?.traceId ?? ''),
    ...oneOf(filter.ipTraceId, (flow) => flow.ipTraceId?.traceId ?? 0n),
    ...oneOf(filter.trafficDirection, (flow) => flow.trafficDirection),
    ...given(filter.interface, interfaceMatcher),
  ];
}

function eventTypeMatcher(list: NonNullable<FlowFilter['eventType']>): Matcher {
  return ({ eventType }) =>
    eventType !== undefined &&
    list.some(
      ({ type, matchSubType, subType }) => (type === 0 || type === eventType.type) && (!matchSubType || subType === eventType.subType),
    );
}

function replyMatcher(list: readonly boolean[]): Matcher {
  // A drop of which nobody knows whether it is a reply counts as none, for Hubble's web page and older clients.
  return (flow) => (flow.isReply === undefined && flow.verdict !== verdict.dropped ? false : list.includes(flow.isReply ?? false));
}

function protocolMatcher(list: readonly string[]): Matcher {
  const wanted = list.map((name) => {
    const matches = protocols[name.toLowerCase()];
    if (matches === undefined) throw filterError('protocol', `it is none of ${protocolNames.join(', ')}`, name);
    return matches;
  });
  return (flow) => wanted.some((matches) => matches(flow));
}

interface Ports {
  readonly sourcePort: number;
  readonly destinationPort: number;
}

function portMatchers(field: string, list: readonly string[] | undefined, of: (ports: Ports) => number): readonly Matcher[] {
  return given(list, (texts) => {
    const wanted = new Set(
      texts.map((text) => {
        if (!/^[0-9]{1,5}$/.test(text) || Number(text) > 65535) throw filterError(field, 'it is not a port from 0 to 65535', text);
        return Number(text);
      }),
    );
    return (flow) => {
      const protocol = flow.l4?.protocol;
      return (protocol?.case === 'TCP' || protocol?.case === 'UDP' || protocol?.case === 'SCTP') && wanted.has(of(protocol.value));
    };
  });
}

const flagNames = ['FIN', 'SYN', 'RST', 'PSH', 'ACK', 'URG', 'ECE', 'CWR', 'NS'] as const;

function tcpFlagsMatcher(list: readonly TcpFlags[]): Matcher {
  const wanted = list.map((flags) => flagNames.filter((name) => flags[name]));
  return (flow) => {
    const flags = flow.l4?.protocol.case === 'TCP' ? flow.l4.protocol.value.flags : undefined;
    return flags !== undefined && wanted.some((names) => names.every((name) => flags[name]));
  };
}

function nodeNameMatcher(list: readonly string[]): Matcher {
  const pattern = nodeNamePattern(list);
  return ({ nodeName }) => nodeName !== '' && pattern.test(nodeName.includes('/') ? nodeName : `${defaultClusterName}/${nodeName}`);
}

function interfaceMatcher(list: NonNullable<FlowFilter['interface']>): Matcher {
  return (flow) => {
    const seen = flow.interface;
    return (
      seen !== undefined && list.some(({ index, name }) => (index === 0 || index === seen.index) && (name === '' || name === seen.name))
    );
  };
}
