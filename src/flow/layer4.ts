import { ipProtocol } from './codes.ts';
import { icmpText } from './icmp-text.ts';
import type { Layer4, TcpFlags } from './types.ts';

/** Names of TCP's flags in the order in which Hubble lists them, with their bits in the header. */
const flagBits = [
  ['SYN', 0x02],
  ['ACK', 0x10],
  ['RST', 0x04],
  ['FIN', 0x01],
  ['PSH', 0x08],
  ['URG', 0x20],
  ['ECE', 0x40],
  ['CWR', 0x80],
] as const;

/** The flags of byte 13 of a TCP header. */
export function tcpFlags(bits: number): TcpFlags {
  return {
    FIN: (bits & 0x01) !== 0,
    SYN: (bits & 0x02) !== 0,
    RST: (bits & 0x04) !== 0,
    PSH: (bits & 0x08) !== 0,
    ACK: (bits & 0x10) !== 0,
    URG: (bits & 0x20) !== 0,
    ECE: (bits & 0x40) !== 0,
    CWR: (bits & 0x80) !== 0,
    NS: false,
  };
}

/** What an event says of the layer above IP. */
export interface Transport {
  /** 4 or 6 */
  readonly family: number;
  readonly protocol: number;
  readonly sport: number;
  /** ICMP: type << 8 | code */
  readonly dport: number;
  /** null: the event is about a connection, not a packet */
  readonly tcpFlags: number | null;
}

/** The protocol part of a flow; null where Hubble has no word for the protocol. */
export function layer4Of({ protocol, sport, dport, tcpFlags: bits }: Transport): Layer4 | null {
  switch (protocol) {
    case ipProtocol.tcp: {
      const ports = { sourcePort: sport, destinationPort: dport };
      return { case: 'TCP', value: bits === null ? ports : { ...ports, flags: tcpFlags(bits) } };
    }
    case ipProtocol.udp:
      return { case: 'UDP', value: { sourcePort: sport, destinationPort: dport } };
    case ipProtocol.sctp:
      return { case: 'SCTP', value: { sourcePort: sport, destinationPort: dport } };
    case ipProtocol.icmp:
      return { case: 'ICMPv4', value: { type: dport >> 8, code: dport & 0xff } };
    case ipProtocol.icmpv6:
      return { case: 'ICMPv6', value: { type: dport >> 8, code: dport & 0xff } };
    default:
      return null;
  }
}

/** The summary of a packet, as Hubble writes it: `TCP Flags: SYN`, `UDP`, `ICMPv4 EchoRequest`. */
export function packetSummary({ family, protocol, dport, tcpFlags: bits }: Transport): string {
  switch (protocol) {
    case ipProtocol.tcp:
      return `TCP Flags: ${flagBits
        .filter(([, bit]) => ((bits ?? 0) & bit) !== 0)
        .map(([name]) => name)
        .join(', ')}`;
    case ipProtocol.udp:
      return 'UDP';
    case ipProtocol.sctp:
      return 'SCTP';
    case ipProtocol.icmp:
      return `ICMPv4 ${icmpText(4, dport >> 8, dport & 0xff)}`;
    case ipProtocol.icmpv6:
      return `ICMPv6 ${icmpText(6, dport >> 8, dport & 0xff)}`;
    default:
      return family === 6 ? 'IPv6' : 'IPv4';
  }
}
