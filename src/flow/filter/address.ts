import { parseCidr, parseIp } from '../../pods/address.ts';
import type { Cidr } from '../../pods/types.ts';
import type { Flow } from '../types.ts';
import { filterError } from './error.ts';
import type { Matcher } from './matcher.ts';

/** A matcher for addresses: exact ones and CIDR ranges, mixed. @throws MillraceError FILTER_INVALID */
export function addressMatcher(field: string, list: readonly string[], of: (flow: Flow) => string | undefined): Matcher {
  const exact = new Set<string>();
  const ranges: Cidr[] = [];
  for (const text of list) {
    if (text.includes('/')) {
      const range = parseCidr(text);
      if (range === null) throw filterError(field, 'it is not a CIDR range', text);
      ranges.push(range);
    } else {
      if (parseIp(text) === null) throw filterError(field, 'it is not an IP address', text);
      // As it was written, like Hubble: flows carry canonical text.
      exact.add(text);
    }
  }
  return (flow) => {
    const address = of(flow);
    if (address === undefined || address === '') return false;
    return exact.has(address) || (ranges.length > 0 && inAny(ranges, address));
  };
}

function inAny(ranges: readonly Cidr[], text: string): boolean {
  const address = parseIp(text);
  return address !== null && ranges.some((range) => range.family === address.family && covers(range, address.bytes));
}

function covers({ address, prefix }: Cidr, bytes: Uint8Array): boolean {
  const whole = prefix >> 3;
  for (let index = 0; index < whole; index++) if (address[index] !== bytes[index]) return false;
  const mask = (0xff00 >> (prefix & 7)) & 0xff;
  return mask === 0 || ((address[whole] ?? 0) & mask) === ((bytes[whole] ?? 0) & mask);
}
