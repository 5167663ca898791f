/** IP protocol numbers that policies name (IANA). */
export const protocolNumbers = { ICMP: 1, IGMP: 2, TCP: 6, UDP: 17, ICMPv6: 58, VRRP: 112, SCTP: 132 } as const;

/** What `ANY` means in Cilium's toPorts: not ICMP. */
export const anyProtocol: readonly number[] = [protocolNumbers.TCP, protocolNumbers.UDP, protocolNumbers.SCTP];

const names = new Map<number, string>(Object.entries(protocolNumbers).map(([name, number]) => [number, name]));

/** `TCP`, or the number itself where it has no name here. */
export function protocolName(protocol: number): string {
  return names.get(protocol) ?? String(protocol);
}

/** The number of a protocol by name (any case) or number; null where it is neither. */
export function protocolNumber(text: string): number | null {
  for (const [name, number] of Object.entries(protocolNumbers)) if (name.toLowerCase() === text.toLowerCase()) return number;
  return /^[0-9]{1,3}$/.test(text) && Number(text) <= 255 ? Number(text) : null;
}
