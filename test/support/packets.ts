import { mapIp, parseIp } from '../../src/pods/address.ts';

/** IP protocol numbers. */
export const protocols = { icmp: 1, igmp: 2, tcp: 6, udp: 17, gre: 47, esp: 50, ah: 51, icmp6: 58, sctp: 132, udplite: 136 } as const;
/** Bits of byte 13 of a TCP header. */
export const tcpFlags = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16 } as const;

const macs = Buffer.from('020000000001020000000002', 'hex');

/** An Ethernet frame; each tag is an 802.1Q header with that number, outermost first. */
export function ethernet(type: number, payload: Buffer, tags: readonly number[] = []): Buffer {
  const types = [...tags.map((_, index) => (index === 0 && tags.length > 1 ? 0x88a8 : 0x8100)), type];
  const words = types.flatMap((ethertype, index) => (index === 0 ? [ethertype] : [tags[index - 1] ?? 0, ethertype]));
  const header = Buffer.alloc(2 * words.length);
  for (const [index, word] of words.entries()) header.writeUInt16BE(word, 2 * index);
  return Buffer.concat([macs, header, payload]);
}

export interface Ipv4 {
  readonly src?: string;
  readonly dst?: string;
  readonly protocol: number;
  readonly options?: Buffer;
  readonly id?: number;
  /** In units of 8 bytes. */
  readonly offset?: number;
  readonly more?: boolean;
  readonly ttl?: number;
  /** What the header says, where that is not the truth. */
  readonly length?: number;
  readonly version?: number;
  readonly headerWords?: number;
}

/** An IPv4 packet; its checksum is left out, which programs do not look at. */
export function ipv4(header: Ipv4, payload: Buffer): Buffer {
  const options = header.options ?? Buffer.alloc(0);
  const bytes = Buffer.alloc(20 + options.length);
  bytes.writeUInt8(((header.version ?? 4) << 4) | (header.headerWords ?? bytes.length / 4), 0);
  bytes.writeUInt16BE(header.length ?? bytes.length + payload.length, 2);
  bytes.writeUInt16BE(header.id ?? 1, 4);
  bytes.writeUInt16BE((header.more === true ? 0x2000 : 0) | (header.offset ?? 0), 6);
  bytes.writeUInt8(header.ttl ?? 64, 8);
  bytes.writeUInt8(header.protocol, 9);
  bytes.set(ip(header.src ?? '10.0.0.2'), 12);
  bytes.set(ip(header.dst ?? '10.0.0.3'), 16);
  bytes.set(options, 20);
  return Buffer.concat([bytes, payload]);
}

export interface Ipv6 {
  readonly src?: string;
  readonly dst?: string;
  readonly next: number;
  readonly hopLimit?: number;
  readonly length?: number;
  readonly version?: number;
}

export function ipv6(header: Ipv6, payload: Buffer): Buffer {
  const bytes = Buffer.alloc(40);
  bytes.writeUInt8((header.version ?? 6) << 4, 0);
  bytes.writeUInt16BE(header.length ?? payload.length, 4);
  bytes.writeUInt8(header.next, 6);
  bytes.writeUInt8(header.hopLimit ?? 64, 7);
  bytes.set(ip(header.src ?? 'fd00::2'), 8);
  bytes.set(ip(header.dst ?? 'fd00::3'), 24);
  return Buffer.concat([bytes, payload]);
}

/** IPv6 extension headers in front of `payload`; `next` of the last one is `protocol`. */
export interface Extension {
  readonly kind: 'hop-by-hop' | 'routing' | 'fragment' | 'authentication' | 'destination' | 'mobility';
  /** The header's own bytes after its first two; as many as make it a multiple of 8. */
  readonly body?: Buffer;
}

const extensionNumbers = { 'hop-by-hop': 0, routing: 43, fragment: 44, authentication: 51, destination: 60, mobility: 135 } as const;

/** The extensions and the payload, with the number of the first of them. */
export function extended(extensions: readonly Extension[], protocol: number, payload: Buffer): { next: number; payload: Buffer } {
  const numbers = [...extensions.map(({ kind }) => extensionNumbers[kind] as number), protocol];
  const headers = extensions.map(({ kind, body = Buffer.alloc(6) }, index) => {
    const length = kind === 'fragment' ? 0 : kind === 'authentication' ? (body.length + 2) / 4 - 2 : (body.length + 2) / 8 - 1;
    return Buffer.concat([Buffer.of(numbers[index + 1] ?? 0, length), body]);
  });
  return { next: numbers[0] ?? protocol, payload: Buffer.concat([...headers, payload]) };
}

/** The body of a fragment header. `offset` in units of 8 bytes. */
export function fragmentBody(offset: number, more: boolean, id = 7): Buffer {
  const body = Buffer.alloc(6);
  body.writeUInt16BE((offset << 3) | (more ? 1 : 0), 0);
  body.writeUInt32BE(id, 2);
  return body;
}

export function tcp(sport: number, dport: number, flags: number = tcpFlags.syn, headerWords = 5): Buffer {
  const bytes = Buffer.alloc(20);
  bytes.writeUInt16BE(sport, 0);
  bytes.writeUInt16BE(dport, 2);
  bytes.writeUInt8(headerWords << 4, 12);
  bytes.writeUInt8(flags, 13);
  return bytes;
}

export function udp(sport: number, dport: number, payload = Buffer.alloc(4)): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt16BE(sport, 0);
  bytes.writeUInt16BE(dport, 2);
  bytes.writeUInt16BE(8 + payload.length, 4);
  return Buffer.concat([bytes, payload]);
}

export function sctp(sport: number, dport: number): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt16BE(sport, 0);
  bytes.writeUInt16BE(dport, 2);
  return bytes;
}

/** `rest`: what follows the eight bytes of the header, for errors the packet that they are about. */
export function icmp(type: number, code: number, id = 0, rest: Buffer = Buffer.alloc(0)): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt8(type, 0);
  bytes.writeUInt8(code, 1);
  bytes.writeUInt16BE(id, 4);
  return Buffer.concat([bytes, rest]);
}

/** A frame with an IPv4 packet. */
export function frame4(header: Ipv4, payload: Buffer, tags: readonly number[] = []): Buffer {
  return ethernet(0x800, ipv4(header, payload), tags);
}

/** A frame with an IPv6 packet. */
export function frame6(header: Ipv6, payload: Buffer, tags: readonly number[] = []): Buffer {
  return ethernet(0x86dd, ipv6(header, payload), tags);
}

function ip(text: string): Uint8Array {
  const address = parseIp(text);
  if (address === null) throw new Error(`${text} is no address`);
  return address.bytes;
}

/** An address as the kernel keeps it. */
export function mapped(text: string): Uint8Array {
  const address = parseIp(text);
  if (address === null) throw new Error(`${text} is no address`);
  return mapIp(address);
}
