import { closeFd, pollEvents } from '../../kernel/index.ts';
import { receiveBytes, sendBytes, waitForSockets } from '../../kernel/socket-io.ts';
import { endpoint, socketFamily } from '../endpoint.ts';
import { root } from '../identity.ts';
import { patience } from '../listener.ts';
import type { Stage } from '../stage.ts';
import { socketAt } from '../stage.ts';
import type { Fields, Flow } from '../types.ts';

const IPPROTO_ICMP = 1;
const IPPROTO_ICMPV6 = 58;
const IPPROTO_TCP = 6;
const echoRequest = { 4: 8, 6: 128 } as const;
const echoReply = { 4: 0, 6: 129 } as const;

/** One ping. The kernel fills identifier and checksum in. */
export function runEchoRequest(stage: Stage, flow: Extract<Flow, { kind: 'echo-request' }>): Fields {
  const family = socketFamily(flow.to);
  const protocol = family === 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
  const fd = socketAt(stage, 'pod', flow.who, { family, type: 'udp', protocol });
  try {
    const request = Buffer.alloc(16);
    request.writeUInt8(echoRequest[family], 0);
    sendBytes(fd, request, { to: endpoint(flow.to) });
    waitForSockets([fd], pollEvents.readable, patience);
    const answer = receiveBytes(fd);
    return { reached: answer?.data.readUInt8(0) === echoReply[family] ? 'answered' : 'timeout' };
  } finally {
    closeFd(fd);
  }
}

/** One packet of a protocol that nobody speaks, taken from the wire at the destination. */
export function runRawProtocol(stage: Stage, flow: Extract<Flow, { kind: 'raw-protocol' }>): Fields {
  const options = { family: 4, type: 'raw', protocol: flow.protocol } as const;
  const server = socketAt(stage, 'outside', root, options);
  try {
    const client = socketAt(stage, 'pod', root, options);
    try {
      sendBytes(client, Buffer.from('sixteen bytes !!'), { to: endpoint(flow.to) });
      return { reached: waitForSockets([server], pollEvents.readable, patience).length === 0 ? 'timeout' : 'server' };
    } finally {
      closeFd(client);
    }
  } finally {
    closeFd(server);
  }
}

const headerSize = 20;
const flags = { SYN_ACK: 0x12, RST: 0x04 } as const;
const strayPort = 4444;

/** A SYN/ACK from outside that answers nothing: the stack resets it, unless something drops it before. */
export function runStraySegment(stage: Stage, flow: Extract<Flow, { kind: 'stray-segment' }>): Fields {
  const source = endpoint(`10.9.0.1:${strayPort}`);
  const destination = endpoint(flow.to);
  const fd = socketAt(stage, 'outside', root, { family: 4, type: 'raw', protocol: IPPROTO_TCP });
  try {
    const segment = Buffer.alloc(headerSize);
    segment.writeUInt16BE(strayPort, 0);
    segment.writeUInt16BE(destination.port, 2);
    segment.writeUInt32BE(1, 4);
    segment.writeUInt32BE(1, 8);
    segment.writeUInt8((headerSize / 4) << 4, 12);
    segment.writeUInt8(flags.SYN_ACK, 13);
    segment.writeUInt16BE(1024, 14);
    segment.writeUInt16BE(checksum(source.address, destination.address, segment), 16);
    sendBytes(fd, segment, { to: { ...destination, port: 0 } });
    const deadline = performance.now() + patience;
    while (performance.now() < deadline) {
      if (waitForSockets([fd], pollEvents.readable, Math.ceil(deadline - performance.now())).length === 0) break;
      const packet = receiveBytes(fd)?.data;
      if (packet !== undefined && isReset(packet, destination.port)) return { answer: 'reset' };
    }
    return { answer: 'silence' };
  } finally {
    closeFd(fd);
  }
}

/** Of an IPv4 packet as a raw socket gives it, header included. */
function isReset(packet: Buffer, from: number): boolean {
  const segment = packet.subarray((packet.readUInt8(0) & 0x0f) * 4);
  return segment.readUInt16BE(0) === from && segment.readUInt16BE(2) === strayPort && (segment.readUInt8(13) & flags.RST) !== 0;
}

/** RFC 9293 §3.1, with the pseudo header of IPv4. */
function checksum(source: Uint8Array, destination: Uint8Array, segment: Buffer): number {
  const pseudo = Buffer.concat([source, destination, Buffer.of(0, IPPROTO_TCP, 0, segment.length), segment]);
  let sum = 0;
  for (let index = 0; index < pseudo.length; index += 2) sum += pseudo.readUInt16BE(index);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
