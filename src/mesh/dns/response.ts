import type { Answer } from 'dns-packet';
import { encode } from 'dns-packet';
import type { DnsQuery, ReadQuery } from './query.ts';

/** Response codes that we give. Source: IANA DNS RCODEs; BADVERS needs EDNS. */
export const rcodes = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5, BADVERS: 16 } as const;
export type Rcode = keyof typeof rcodes;

/** Why, in words, for clients that speak EDNS. Source: RFC 8914; 20 not authoritative, 22 no reachable authority. */
export interface ExtendedError {
  readonly code: 20 | 22;
  readonly text: string;
}

export interface DnsResponse {
  readonly rcode: Rcode;
  /** The answer comes from our own zone. */
  readonly authoritative: boolean;
  /** We would ask upstream servers. */
  readonly recursionAvailable: boolean;
  readonly answers: readonly Answer[];
  readonly authorities: readonly Answer[];
  readonly additionals: readonly Answer[];
  readonly reason: ExtendedError | null;
}

/** The largest response over UDP, in bytes: fits every path without fragments (DNS flag day 2020). We advertise the same. */
export const udpPayloadSize = 1232;

/** The largest response for a client, in bytes: over UDP at most what it advertised (512 without EDNS), over TCP what two bytes can count. */
export function sizeLimit(query: Pick<DnsQuery, 'edns'>, transport: 'udp' | 'tcp'): number {
  if (transport === 'tcp') return 65_535;
  return Math.min(udpPayloadSize, Math.max(512, query.edns?.payloadSize ?? 512));
}

/**
 * Encodes a response of at most `limit` bytes. What does not fit loses first its additional records, then everything but the question, with the
 * truncation bit set: the client asks again over TCP.
 */
export function encodeResponse(query: DnsQuery, response: DnsResponse, limit: number): Buffer {
  const whole = assemble(query, response, 0);
  if (whole.length <= limit) return whole;
  const lean = assemble(query, { ...response, additionals: [] }, 0);
  return lean.length <= limit ? lean : truncatedResponse(query, response);
}

/** Nothing but the question and the truncation bit. */
export function truncatedResponse(query: DnsQuery, response: Pick<DnsResponse, 'rcode' | 'authoritative' | 'recursionAvailable'>): Buffer {
  return assemble(query, { ...response, answers: [], authorities: [], additionals: [], reason: null }, 0x0200);
}

/** The answer to something that has no readable question: a header. */
export function encodeError(error: Extract<ReadQuery, { kind: 'error' }>): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt16BE(error.id, 0);
  header.writeUInt16BE(0x8000 | (error.opcode << 11) | (error.recursionDesired ? 0x0100 : 0) | rcodes[error.rcode], 2);
  return header;
}

function assemble(query: DnsQuery, response: DnsResponse, truncated: number): Buffer {
  const rcode = rcodes[response.rcode];
  const flags =
    truncated |
    (response.authoritative ? 0x0400 : 0) |
    (query.recursionDesired ? 0x0100 : 0) |
    (response.recursionAvailable ? 0x0080 : 0) |
    (query.checkingDisabled ? 0x0010 : 0) |
    (rcode & 0xf);
  const encoded = encode({
    type: 'response',
    id: query.id,
    flags,
    questions: [],
    answers: [...response.answers],
    authorities: [...response.authorities],
    additionals: [...response.additionals],
  });
  const option = query.edns === null ? Buffer.alloc(0) : encodeOption(rcode >> 4, query.edns.dnssecOk, response.reason);
  // The library writes names in full, never as pointers, so that the question can be put in between.
  const message = Buffer.concat([encoded.subarray(0, 12), query.question, encoded.subarray(12), option]);
  message.writeUInt16BE(1, 4);
  if (query.edns !== null) message.writeUInt16BE(response.additionals.length + 1, 10);
  return message;
}

/** The OPT record (RFC 6891 §6.1), by hand: the library does not know extended errors. */
function encodeOption(extendedRcode: number, dnssecOk: boolean, reason: ExtendedError | null): Buffer {
  const text = Buffer.from(reason?.text ?? '', 'utf8');
  const option = Buffer.alloc(reason === null ? 11 : 17);
  option.writeUInt16BE(41, 1);
  option.writeUInt16BE(udpPayloadSize, 3);
  option.writeUInt8(extendedRcode, 5);
  option.writeUInt16BE(dnssecOk ? 0x8000 : 0, 7);
  if (reason === null) return option;
  option.writeUInt16BE(6 + text.length, 9);
  option.writeUInt16BE(15, 11);
  option.writeUInt16BE(2 + text.length, 13);
  option.writeUInt16BE(reason.code, 15);
  return Buffer.concat([option, text]);
}
