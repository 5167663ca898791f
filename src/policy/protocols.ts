/** IP protocol numbers that policies name (IANA). */
export const protocolNumbers = { ICMP: 1, IGMP: 2, TCP: 6, UDP: 17, ICMPv6: 58, VRRP: 112, SCTP: 132 } as const;

/** What `ANY` means in Cilium's toPorts: not ICMP. */
export const anyProtocol: readonly number[] = [protocolNumbers.TCP, protocolNumbers.UDP, protocolNumbers.SCTP];

const names = new Map<number, string>(Object.entries(protocolNumbers).map(([name, number]) => [number, name]));

/** `TCP`, or the number itself where it has no name here. */
export function protocolName(protocol: number): string {
  return names.get(protocol) ?? String(protocol);
}
