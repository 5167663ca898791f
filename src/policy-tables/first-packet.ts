import { mapIp, parseIp, unmapIp } from '../pods/address.ts';

const etherTypes = { 4: 0x0800, 6: 0x86dd } as const;
const numbers = { ICMP: 1, TCP: 6, UDP: 17, ICMPv6: 58, SCTP: 132 } as const;
const syn = 0x02;

export interface FirstPacket {
  readonly source: string;
  readonly destination: string;
  /** IP protocol number. */
  readonly protocol: number;
  readonly sourcePort: number;
  /** ICMP: type << 8 | code. */
  readonly port: number;
}

/**
 * The Ethernet frame of the first packet of a connection: a SYN, a datagram, an INIT, an ICMP message. Checksums are left out: no program of ours
 * looks at them. Throws RangeError where an address is none, or the two are of different families.
 */
export function firstPacket({ source, destination, protocol, sourcePort, port }: FirstPacket): Uint8Array {
  const from = addressOf(source);
  const to = addressOf(destination);
  if (from.family !== to.family) throw new RangeError(`addresses of two families: ${source} and ${destination}`);
  const transport = transportOf(protocol, sourcePort, port);
  const header =
    from.family === 4 ? ipv4(from.bytes, to.bytes, protocol, transport.length) : ipv6(from.bytes, to.bytes, protocol, transport.length);
  const ethernet = Buffer.alloc(14);
  // two addresses that are nobody's
  ethernet.writeUInt8(2, 0);
  ethernet.writeUInt8(2, 6);
  ethernet.writeUInt16BE(etherTypes[from.family], 12);
  return Buffer.concat([ethernet, header, transport]);
}

/** The 16 bytes that tables have for an address. Throws RangeError where the text is none. */
export function mappedAddress(text: string): Uint8Array {
  return mapIp(addressOf(text));
}

function addressOf(text: string) {
  const ip = parseIp(text);
  if (ip === null) throw new RangeError(`no address: ${text}`);
  return unmapIp(ip);
}

function ipv4(source: Uint8Array, destination: Uint8Array, protocol: number, payload: number): Buffer {
  const bytes = Buffer.alloc(20);
  bytes.writeUInt8(0x45, 0);
  bytes.writeUInt16BE(bytes.length + payload, 2);
  bytes.writeUInt8(64, 8);
  bytes.writeUInt8(protocol, 9);
  bytes.set(source, 12);
  bytes.set(destination, 16);
  return bytes;
}

function ipv6(source: Uint8Array, destination: Uint8Array, protocol: number, payload: number): Buffer {
  const bytes = Buffer.alloc(40);
  bytes.writeUInt8(0x60, 0);
  bytes.writeUInt16BE(payload, 4);
  bytes.writeUInt8(protocol, 6);
  bytes.writeUInt8(64, 7);
  bytes.set(source, 8);
  bytes.set(destination, 24);
  return bytes;
}

function transportOf(protocol: number, sourcePort: number, port: number): Buffer {
  if (protocol === numbers.ICMP || protocol === numbers.ICMPv6) {
    const bytes = Buffer.alloc(8);
    bytes.writeUInt16BE(port, 0);
    bytes.writeUInt16BE(sourcePort, 4);
    return bytes;
  }
  const bytes = Buffer.alloc(protocol === numbers.TCP ? 20 : protocol === numbers.UDP ? 8 : 16);
  bytes.writeUInt16BE(sourcePort, 0);
  bytes.writeUInt16BE(port, 2);
  if (protocol === numbers.TCP) {
    bytes.writeUInt8(5 << 4, 12);
    bytes.writeUInt8(syn, 13);
  }
  if (protocol === numbers.UDP) bytes.writeUInt16BE(bytes.length, 4);
  return bytes;
}
