import type { Cidr } from '../../pods/types.ts';

/** The items of a comma separated list, trimmed; empty items are ignored. */
export function splitList(text: string): string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

/** The 4 or 16 bytes of an address, or null when the text is none. Zones (`%eth0`) and shortened IPv4 are none. */
export function parseAddress(text: string): Uint8Array | null {
  return text.includes(':') ? parseAddress6(text) : parseAddress4(text);
}

/** A CIDR with its host bits cleared, or null when the text is none. The prefix length is required. */
export function parseCidr(text: string): Cidr | null {
  const slash = text.indexOf('/');
  const length = text.slice(slash + 1);
  if (slash < 0 || !/^\d{1,3}$/.test(length)) return null;
  const address = parseAddress(text.slice(0, slash));
  const prefix = Number(length);
  if (address === null || prefix > address.length * 8) return null;
  return { family: address.length === 4 ? 4 : 6, address: maskAddress(address, prefix), prefix };
}

/** `10.0.0.0/8`, `2001:db8::/32`. */
export function formatCidr(cidr: Cidr): string {
  return `${formatAddress(cidr.address)}/${cidr.prefix}`;
}

/** True for a range that starts in 127.0.0.0/8 or at ::1. */
export function isLoopbackCidr(cidr: Cidr): boolean {
  if (cidr.family === 4) return cidr.address[0] === 127;
  return cidr.address.every((byte, index) => byte === (index === 15 ? 1 : 0));
}

function formatAddress(address: Uint8Array): string {
  if (address.length === 4) return address.join('.');
  const words: number[] = [];
  for (let index = 0; index < 16; index += 2) words.push(((address[index] ?? 0) << 8) | (address[index + 1] ?? 0));
  const gap = longestZeroRun(words);
  if (gap.length < 2) return hexWords(words);
  return `${hexWords(words.slice(0, gap.start))}::${hexWords(words.slice(gap.start + gap.length))}`;
}

function hexWords(words: readonly number[]): string {
  return words.map((word) => word.toString(16)).join(':');
}

function longestZeroRun(words: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  for (let index = 0; index <= words.length; index += 1) {
    if (words[index] === 0) continue;
    if (index - start > best.length) best = { start, length: index - start };
    start = index + 1;
  }
  return best;
}

function maskAddress(address: Uint8Array, prefix: number): Uint8Array {
  return address.map((byte, index) => {
    const kept = Math.min(8, Math.max(0, prefix - index * 8));
    return byte & (0xff << (8 - kept));
  });
}

function parseAddress4(text: string): Uint8Array | null {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255)) return null;
  return Uint8Array.from(parts, Number);
}

function parseAddress6(text: string): Uint8Array | null {
  const halves = text.split('::');
  if (halves.length > 2) return null;
  const head = wordsOf(halves[0] ?? '');
  const tail = halves.length === 2 ? wordsOf(halves[1] ?? '') : [];
  if (head === null || tail === null) return null;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return null;
  const words = [...head, ...new Array<number>(missing).fill(0), ...tail];
  return Uint8Array.from(words.flatMap((word) => [word >> 8, word & 0xff]));
}

/** The 16-bit words of one side of `::`; a dotted quad may stand for the last two. */
function wordsOf(text: string): number[] | null {
  if (text === '') return [];
  const words: number[] = [];
  const parts = text.split(':');
  for (const [index, part] of parts.entries()) {
    const quad = index === parts.length - 1 && part.includes('.') ? parseAddress4(part) : null;
    if (quad !== null) {
      words.push(((quad[0] ?? 0) << 8) | (quad[1] ?? 0), ((quad[2] ?? 0) << 8) | (quad[3] ?? 0));
    } else if (/^[0-9a-fA-F]{1,4}$/.test(part)) {
      words.push(Number.parseInt(part, 16));
    } else {
      return null;
    }
  }
  return words;
}
