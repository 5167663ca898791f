import { assertNever } from '../base/errors.ts';
import type { Identity } from './identity.ts';
import type { Place } from './topology.ts';
import type { Flow, TcpFlow, UdpFlow } from './types.ts';

/** A flow in the contract's shorthand: `A → 10.96.5.5:80`. */
export function flowText(flow: Flow): string {
  switch (flow.kind) {
    case 'tcp':
      return tcpText(flow);
    case 'udp':
      return udpText(flow);
    case 'udp-port-reuse':
      return `udp ${flow.to} from ${flow.from}: ${ownerText(flow.first)}, then ${ownerText(flow.second)}, then ${ownerText(flow.first)}`;
    case 'same-port':
      return `${whoText(flow.who, flow.at)} bound ${flow.from} → ${flow.to.join(', ')} at once`;
    case 'few-ports':
      return `${ownerText(flow.who)} → ${flow.to.join(', ')}, 8 times each, with 8 ports`;
    case 'half-close':
      return `${whoText(flow.who, flow.at)} → ${flow.to}, the ${flow.first} ends its side first`;
    case 'reset-reuse':
      return `${whoText(flow.who, flow.at)} bound ${flow.from} → ${flow.to[0]}, reset, → ${flow.to[1]}`;
    case 'options':
      return `${whoText(flow.who, flow.at)} → ${flow.to}, SO_ORIGINAL_DST of both ends`;
    case 'options-udp':
      return `SO_ORIGINAL_DST of a UDP socket to ${flow.to}`;
    case 'established-before':
      return `${ownerText(flow.who)} → ${flow.to}, then the pod is redirected${flow.under === null ? '' : ' (before, by a configuration that excludes this)'}`;
    case 'late-proxy':
      return `${ownerText(flow.who)} → ${flow.to} before and after the proxy comes up`;
    case 'validation':
      return `istio-validation: ${flow.from} → ${flow.to}`;
    case 'echo-request':
      return `${ownerText(flow.who)} pings ${flow.to}`;
    case 'raw-protocol':
      return `a packet of IP protocol ${flow.protocol} → ${flow.to}`;
    case 'stray-segment':
      return `a SYN/ACK of no connection → ${flow.to}`;
    case 'original-source':
      return `proxy (${ownerText(flow.who)}) with its client's address → ${flow.to}`;
    default:
      return assertNever(flow, 'flow');
  }
}

function tcpText(flow: TcpFlow): string {
  const { who, to, at = 'pod', from, way, caller, closed } = flow;
  const notes = [
    ...(from === undefined ? [] : [`bound ${from}`]),
    ...(caller === undefined ? [] : [`connected by ${ownerText(caller)}`]),
    ...(way === undefined ? [] : [wayTexts[way]]),
    ...(closed === true ? ['nobody serves it'] : []),
  ];
  return `${whoText(who, at)} → ${to}${notes.length === 0 ? '' : ` (${notes.join(', ')})`}`;
}

const wayTexts = {
  'non-blocking': 'non-blocking connect',
  blocking: 'blocking connect',
  'fast-open-option': 'TCP_FASTOPEN_CONNECT',
  'fast-open-message': 'MSG_FASTOPEN',
  mptcp: 'MPTCP socket',
  'io-uring': 'connected by a kernel worker of io_uring',
  passed: 'socket received by SCM_RIGHTS',
} as const;

function udpText({ who, to, at = 'pod', from, connected }: UdpFlow): string {
  const notes = [...(from === undefined ? [] : [`bound ${from}`]), ...(connected === true ? ['connected'] : [])];
  return `${whoText(who, at)} udp → ${to.join(', ')}${notes.length === 0 ? '' : ` (${notes.join(', ')})`}`;
}

function whoText(who: Identity, at: Place): string {
  return at === 'pod' ? ownerText(who) : at;
}

const letters: Readonly<Record<string, string>> = { '1000/1000': 'A', '0/0': 'R', '1337/1337': 'E', '1000/1337': 'G', '1337/1000': 'U' };

/** The contract's letter for an owner, or its ids. */
export function ownerText({ uid, gid, groups }: Identity): string {
  const text = letters[`${uid}/${gid}`] ?? `${uid}/${gid}`;
  return groups === undefined ? text : `${text} in group ${groups.join(', ')}`;
}
