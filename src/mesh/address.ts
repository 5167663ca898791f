/** Reads an IPv4 or IPv6 address in text. Returns its 4 or 16 bytes, or null if the text is not an address; zones (`%eth0`) are not addresses here. */
export function parseAddress(text: string): Uint8Array | null {
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text);
}

/** A range of addresses: 4 or 16 bytes and the number of leading bits that count. */
export interface AddressRange {
  readonly address: Uint8Array;
  /** 0–32 or 0–128. */
  readonly prefix: number;
}

/** Reads `10.0.0.0/8`, `fd00::/8`, or a single address, which stands for itself alone. Returns null if the text is neither. */
export function parseAddressRange(text: string): AddressRange | null {
  const slash = text.indexOf('/');
  const address = parseAddress(slash === -1 ? text : text.slice(0, slash));
  if (address === null) return null;
  const bits = address.length * 8;
  if (slash === -1) return { address, prefix: bits };
  const digits = text.slice(slash + 1);
  if (!/^(0|[1-9]\d{0,2})$/.test(digits)) return null;
  const prefix = Number(digits);
  return prefix <= bits ? { address, prefix } : null;
}

function parseIpv4(text: string): Uint8Array | null {
  const parts = text.split('.');
  if (parts.length !== 4) return null;
  const bytes = new Uint8Array(4);
  for (const [index, part] of parts.entries()) {
    // A leading zero reads as octal in some programs and as decimal in others: it is refused, as Go and Kubernetes do.
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return null;
    bytes[index] = Number(part);
  }
  return bytes;
}

function parseIpv6(text: string): Uint8Array | null {
  const halves = text.split('::');
  if (halves.length > 2) return null;
  const [headText = '', tailText] = halves;
  const head = parseGroups(headText, tailText === undefined);
  const tail = tailText === undefined ? [] : parseGroups(tailText, true);
  if (head === null || tail === null) return null;
  const missing = 16 - head.length - tail.length;
  // `::` stands for at least one group.
  if (tailText === undefined ? missing !== 0 : missing < 2) return null;
  return Uint8Array.from([...head, ...new Array<number>(missing).fill(0), ...tail]);
}

/** The bytes of `a:b:c`; the last group may be an embedded IPv4 address if `last` says that the text ends the address. */
function parseGroups(text: string, last: boolean): number[] | null {
  if (text === '') return [];
  const bytes: number[] = [];
  const groups = text.split(':');
  for (const [index, group] of groups.entries()) {
    if (group.includes('.')) {
      const embedded = last && index === groups.length - 1 ? parseIpv4(group) : null;
      if (embedded === null) return null;
      bytes.push(...embedded);
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return null;
      const value = Number.parseInt(group, 16);
      bytes.push(value >> 8, value & 0xff);
    }
  }
  return bytes;
}
