import type { DecodedPacket } from 'dns-packet';
import { decode } from 'dns-packet';
import { readQuery } from './query.ts';

/** What a question asked and what it was told, in words. */
export interface ReadAnswer {
  /** With its last dot; bytes that are no printable ASCII as `\` and their number. */
  readonly query: string;
  readonly type: string;
  /** RFC 1035 §4.1.1 and RFC 6891: 0 is no error. */
  readonly code: number;
  readonly addresses: readonly string[];
  /** Targets of CNAME records. */
  readonly names: readonly string[];
  /** Of the records of the answer. */
  readonly types: readonly string[];
  /** Seconds: the least of the records; 0 without any. */
  readonly ttl: number;
}

/** Reads a question and the answer that it got; null where the question is none that can be read. Never throws. Pure. */
export function readAnswer(message: Buffer, response: Buffer): ReadAnswer | null {
  const read = readQuery(message);
  if (read.kind !== 'query') return null;
  const packet = tryDecode(response);
  const answers = packet?.answers ?? [];
  const addresses: string[] = [];
  const names: string[] = [];
  const types = new Set<string>();
  let ttl = Number.POSITIVE_INFINITY;
  for (const answer of answers) {
    types.add(answer.type);
    if ((answer.type === 'A' || answer.type === 'AAAA') && typeof answer.data === 'string') addresses.push(answer.data);
    if (answer.type === 'CNAME') names.push(written(answer.data));
    if ('ttl' in answer && answer.ttl !== undefined) ttl = Math.min(ttl, answer.ttl);
  }
  return {
    query: written(read.query.name),
    type: read.query.type,
    code: response.length < 4 ? 0 : response.readUInt8(3) & 0xf,
    addresses,
    names,
    types: [...types],
    ttl: Number.isFinite(ttl) ? ttl : 0,
  };
}

function tryDecode(message: Buffer): DecodedPacket | null {
  try {
    return decode(message);
  } catch {
    return null;
  }
}

/** With a last dot, and nothing that a terminal would obey: a pod chooses what it asks for. */
function written(name: string): string {
  const clean = name.replace(/[\u0000-\u0020\u007f-\uffff"]/g, (character) => {
    return [...Buffer.from(character)].map((byte) => `\\${byte.toString().padStart(3, '0')}`).join('');
  });
  return clean.endsWith('.') ? clean : `${clean}.`;
}
