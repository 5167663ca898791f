import { readFileSync } from 'node:fs';
import type { SocketAddress } from '../../src/kernel/index.ts';
import { closeFd, inNetns } from '../../src/kernel/index.ts';
import { check, libc } from '../../src/kernel/libc.ts';
import type { TestNetns } from './network.ts';
import { endpoint } from './tcp.ts';

const [AF_PACKET, SOCK_DGRAM] = [17, 2];
const [ethertypeIpv4, ethertypeIpv6] = [0x0800, 0x86dd];
const [TCP, UDP] = [6, 17];

/** A packet of the attacker's own making, addresses as `10.0.0.1:80` or `[::1]:80`. */
export interface Spoofed {
  readonly from: string;
  readonly to: string;
  /** A TCP SYN without data, or a UDP datagram with these bytes. */
  readonly carries: 'syn' | Buffer;
}

/** Puts a packet on the cable of `sender`'s eth0, past its routes and filters, for the network card `mac` (as ip link prints it). */
export function inject(sender: TestNetns, mac: string, packet: Spoofed): void {
  const bytes = build(packet);
  const fd = inNetns(sender.handle, () => check(libc().socket(AF_PACKET, SOCK_DGRAM, 0), 'socket(packet)'));
  try {
    // struct sockaddr_ll: family, protocol, interface, type and length of the address, the address
    const to = Buffer.alloc(20);
    to.writeUInt16LE(AF_PACKET, 0);
    to.writeUInt16BE(bytes.readUInt8(0) >> 4 === 4 ? ethertypeIpv4 : ethertypeIpv6, 2);
    to.writeInt32LE(interfaceIndex(sender), 4);
    to.writeUInt8(6, 11);
    to.set(Buffer.from(mac.replaceAll(':', ''), 'hex'), 12);
    check(libc().sendto(fd, bytes, bytes.length, 0, to, to.length), 'sendto(packet)');
  } finally {
    closeFd(fd);
  }
}

/** The cables of the test network: eth0 of a namespace, by its own view of sysfs. */
function interfaceIndex(netns: TestNetns): number {
  const text = inNetns(netns.handle, () => readFileSync('/proc/thread-self/net/igmp', 'utf8'));
  return Number(/^(\d+)\s+eth0/m.exec(text)?.[1]);
}

function build({ from, to, carries }: Spoofed): Buffer {
  const [source, destination] = [endpoint(from), endpoint(to)];
  const protocol = carries === 'syn' ? TCP : UDP;
  const payload = carries === 'syn' ? tcpSyn(source, destination) : udp(source, destination, carries);
  payload.writeUInt16BE(checksum(pseudoHeader(source, destination, protocol, payload.length), payload), carries === 'syn' ? 16 : 6);
  return Buffer.concat([
    source.address.length === 4 ? ipv4(source, destination, protocol, payload.length) : ipv6(source, destination, protocol, payload.length),
    payload,
  ]);
}

function tcpSyn(source: SocketAddress, destination: SocketAddress): Buffer {
  const header = Buffer.alloc(20);
  header.writeUInt16BE(source.port, 0);
  header.writeUInt16BE(destination.port, 2);
  header.writeUInt32BE(1000, 4);
  header.writeUInt8(5 << 4, 12);
  header.writeUInt8(2, 13);
  header.writeUInt16BE(65535, 14);
  return header;
}

function udp(source: SocketAddress, destination: SocketAddress, data: Buffer): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt16BE(source.port, 0);
  header.writeUInt16BE(destination.port, 2);
  header.writeUInt16BE(8 + data.length, 4);
  return Buffer.concat([header, data]);
}

function ipv4(source: SocketAddress, destination: SocketAddress, protocol: number, length: number): Buffer {
  const header = Buffer.alloc(20);
  header.writeUInt8(0x45, 0);
  header.writeUInt16BE(20 + length, 2);
  header.writeUInt8(64, 8);
  header.writeUInt8(protocol, 9);
  header.set(source.address, 12);
  header.set(destination.address, 16);
  header.writeUInt16BE(checksum(header), 10);
  return header;
}

function ipv6(source: SocketAddress, destination: SocketAddress, protocol: number, length: number): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt8(0x60, 0);
  header.writeUInt16BE(length, 4);
  header.writeUInt8(protocol, 6);
  header.writeUInt8(64, 7);
  return Buffer.concat([header, source.address, destination.address]);
}

function pseudoHeader(source: SocketAddress, destination: SocketAddress, protocol: number, length: number): Buffer {
  const end = Buffer.alloc(4);
  end.writeUInt16BE(length, 0);
  end.writeUInt16BE(protocol, 2);
  return Buffer.concat([source.address, destination.address, end]);
}

/** RFC 1071, over buffers of which all but the last have an even length. */
function checksum(...parts: readonly Buffer[]): number {
  let sum = 0;
  for (const part of parts) for (let at = 0; at < part.length; at += 1) sum += (part[at] ?? 0) << (at % 2 === 0 ? 8 : 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
