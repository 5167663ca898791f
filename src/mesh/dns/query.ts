import type { DecodedPacket } from 'dns-packet';
import { decode } from 'dns-packet';

/** A well-formed question to us. */
export interface DnsQuery {
  readonly id: number;
  /** The client asks for recursion. */
  readonly recursionDesired: boolean;
  /** The client switches DNSSEC checking off; copied into responses. */
  readonly checkingDisabled: boolean;
  /** As the client wrote it, upper and lower case included, without a final dot; the root is ''. */
  readonly name: string;
  /** `A`, `SRV`; a number without a name is `UNKNOWN_65`. */
  readonly type: string;
  readonly class: string;
  /** The question section as it came, to be repeated byte by byte: clients mix cases to tell forged responses. */
  readonly question: Buffer;
  /** Null: the client does not speak EDNS. */
  readonly edns: { readonly payloadSize: number; readonly version: number; readonly dnssecOk: boolean } | null;
}

export type ReadQuery =
  | { readonly kind: 'query'; readonly query: DnsQuery }
  /** To be answered with an error and no question. */
  | {
      readonly kind: 'error';
      readonly id: number;
      readonly opcode: number;
      readonly recursionDesired: boolean;
      readonly rcode: 'FORMERR' | 'NOTIMP';
    }
  /** Not to be answered at all: too short to have an id, or itself a response (two servers answering each other would never stop). */
  | { readonly kind: 'ignore' };

const headerSize = 12;

/** Reads what a client sent. Never throws, whatever the bytes. */
export function readQuery(message: Buffer): ReadQuery {
  if (message.length < headerSize) return { kind: 'ignore' };
  const flags = message.readUInt16BE(2);
  if ((flags & 0x8000) !== 0) return { kind: 'ignore' };
  const id = message.readUInt16BE(0);
  const opcode = (flags >> 11) & 0xf;
  const recursionDesired = (flags & 0x0100) !== 0;
  const error = (rcode: 'FORMERR' | 'NOTIMP'): ReadQuery => ({ kind: 'error', id, opcode, recursionDesired, rcode });
  if (opcode !== 0) return error('NOTIMP');
  // One question, nothing but OPT and perhaps a signature beside it: this also bounds the work that hostile counts could cause.
  if (message.readUInt16BE(4) !== 1 || message.readUInt32BE(6) !== 0 || message.readUInt16BE(10) > 2) return error('FORMERR');
  const read = readName(message);
  const packet = tryDecode(message);
  const [question] = packet?.questions ?? [];
  if (read === null || packet === null || question === undefined) return error('FORMERR');
  const options = (packet.additionals ?? []).filter((record) => record.type === 'OPT');
  if (options.length > 1) return error('FORMERR');
  const [option] = options;
  return {
    kind: 'query',
    query: {
      id,
      recursionDesired,
      checkingDisabled: (flags & 0x0010) !== 0,
      name: read.name,
      type: question.type,
      class: question.class ?? 'IN',
      question: message.subarray(headerSize, read.end + 4),
      edns: option === undefined ? null : { payloadSize: option.udpPayloadSize, version: option.ednsVersion, dnssecOk: option.flag_do },
    },
  };
}

function tryDecode(message: Buffer): DecodedPacket | null {
  try {
    return decode(message);
  } catch {
    // The library throws a plain Error or RangeError for every malformation; the client learns FORMERR.
    return null;
  }
}

/**
 * Reads the name of the question. Bytes that no name of a zone has (dots inside of labels, controls, non-ASCII) are kept apart by a `\`, so that they
 * cannot be mistaken for a known name. Null for compression, which has nothing to point at here, and for names that are too long.
 */
function readName(message: Buffer): { readonly name: string; readonly end: number } | null {
  const labels: string[] = [];
  let offset = headerSize;
  for (;;) {
    const length = message[offset];
    if (length === undefined || length > 63 || offset - headerSize > 254) return null;
    offset += 1;
    if (length === 0) return { name: labels.join('.'), end: offset };
    if (offset + length > message.length) return null;
    labels.push(message.toString('latin1', offset, offset + length).replaceAll(/[^!-~]|[.\\]/g, (byte) => `\\${byte.charCodeAt(0)}`));
    offset += length;
  }
}
