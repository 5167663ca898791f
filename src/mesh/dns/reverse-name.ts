import { parseIp } from '../../pods/address.ts';

/** The name under which the PTR record of an address stands (RFC 1035 §3.5, RFC 3596 §2.5), without a final dot. Null if it is not an address. */
export function reverseName(address: string): string | null {
  const ip = parseIp(address);
  if (ip === null) return null;
  if (ip.family === 4) return `${[...ip.bytes].reverse().join('.')}.in-addr.arpa`;
  const nibbles = [...ip.bytes].flatMap((byte) => [byte >> 4, byte & 0xf]);
  return `${nibbles
    .reverse()
    .map((nibble) => nibble.toString(16))
    .join('.')}.ip6.arpa`;
}

/** An address as one label of a name, as Kubernetes writes it: 10-1-0-7, fd00--7. */
export function dashedAddress(address: string): string {
  return address.replaceAll(/[.:]/g, '-');
}
