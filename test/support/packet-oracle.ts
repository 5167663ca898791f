/**
 * A second reader of packets, written from the RFCs and not from the programs: what a frame that a pod sends or receives is, for policy. Slow and
 * plain; the fuzzer holds the programs against it.
 */
export type Reading =
  /** Not judged: it belongs to the link alone. `src` is null for ARP. `claims`: the address that it says is the sender's, or `router`. */
  | { readonly kind: 'link'; readonly src: string | null; readonly claims: string | null }
  /** Must not pass: nobody can tell what it is. */
  | { readonly kind: 'unreadable'; readonly why: string }
  | ReadPacket;

export interface ReadPacket {
  readonly kind: 'packet';
  /** Hexadecimal, 4 or 16 bytes. */
  readonly src: string;
  readonly dst: string;
  readonly family: 4 | 6;
  /** null: a later fragment, which is what its first one was. */
  readonly protocol: number | null;
  /** As policy knows it: destination port; ICMP: the type; 0 for others. */
  readonly port: number;
  /** Set for fragments. */
  readonly fragment: { readonly id: string; readonly first: boolean } | null;
  /** An ICMP error and what it carries: it may pass for the sake of another connection. */
  readonly about: Buffer | null;
}

const unreadable = (why: string): Reading => ({ kind: 'unreadable', why });

/** Reads an Ethernet frame. */
export function readFrame(frame: Buffer): Reading {
  let at = 12;
  for (let tags = 0; ; tags += 1) {
    if (at + 2 > frame.length) return unreadable('no type');
    const type = frame.readUInt16BE(at);
    at += 2;
    if (type === 0x806)
      return { kind: 'link', src: null, claims: at + 18 > frame.length ? 'nothing' : frame.toString('hex', at + 14, at + 18) };
    if (type === 0x800) return readIpv4(frame.subarray(at));
    if (type === 0x86dd) return readIpv6(frame.subarray(at));
    if ((type !== 0x8100 && type !== 0x88a8) || tags === 2) return unreadable('type');
    at += 2;
  }
}

function readIpv4(bytes: Buffer): Reading {
  if (bytes.length < 20) return unreadable('short');
  const header = (bytes.readUInt8(0) & 15) * 4;
  const total = bytes.readUInt16BE(2);
  if (bytes.readUInt8(0) >> 4 !== 4 || header < 20 || total < header || total > bytes.length) return unreadable('header');
  if (hasSourceRoute(bytes.subarray(20, header))) return unreadable('source route');
  const fragment = bytes.readUInt16BE(6);
  const protocol = bytes.readUInt8(9);
  const addresses = { src: bytes.toString('hex', 12, 16), dst: bytes.toString('hex', 16, 20), family: 4 } as const;
  const offset = fragment & 0x1fff;
  if (offset === 1 && protocol === 6) return unreadable('over the flags');
  const more = (fragment & 0x2000) !== 0;
  const id = `4 ${addresses.src} ${addresses.dst} ${bytes.readUInt16BE(4)} ${protocol}`;
  if (offset !== 0) return { kind: 'packet', ...addresses, protocol: null, port: 0, fragment: { id, first: false }, about: null };
  return readTransport(bytes.subarray(header, total), protocol, addresses, more ? { id, first: true } : null, bytes.readUInt8(8));
}

function hasSourceRoute(options: Buffer): boolean {
  for (let at = 0; at < options.length; ) {
    const kind = options.readUInt8(at);
    if (kind === 0) return false;
    if (kind === 131 || kind === 137) return true;
    if (kind === 1) at += 1;
    else {
      const length = at + 1 < options.length ? options.readUInt8(at + 1) : 0;
      if (length < 2) return false;
      at += length;
    }
  }
  return false;
}

function readIpv6(bytes: Buffer): Reading {
  if (bytes.length < 40 || bytes.readUInt8(0) >> 4 !== 6) return unreadable('header');
  const length = bytes.readUInt16BE(4);
  if (40 + length > bytes.length) return unreadable('length');
  const addresses = { src: bytes.toString('hex', 8, 24), dst: bytes.toString('hex', 24, 40), family: 6 } as const;
  const isMapped = (address: string) => address.startsWith('00000000000000000000ffff');
  if (isMapped(addresses.src) || isMapped(addresses.dst)) return unreadable('mapped');
  const hopLimit = bytes.readUInt8(7);
  let rest = bytes.subarray(40, 40 + length);
  let next = bytes.readUInt8(6);
  let fragment: { readonly id: string; readonly first: boolean } | null = null;
  let sawFragment = false;
  for (let headers = 0; [0, 43, 44, 51, 60, 135, 139, 140].includes(next); headers += 1) {
    if (headers === 8 || next >= 135 || (next === 0 && headers > 0)) return unreadable('extension');
    if (rest.length < 8) return unreadable('extension is cut off');
    const kind = next;
    next = rest.readUInt8(0);
    if (kind === 44) {
      if (sawFragment) return unreadable('two fragments');
      const word = rest.readUInt16BE(2);
      const id = `6 ${addresses.src} ${addresses.dst} ${rest.readUInt32BE(4)}`;
      if (word >> 3 !== 0) {
        if (word >> 3 === 1 && next === 6) return unreadable('over the flags');
        return { kind: 'packet', ...addresses, protocol: null, port: 0, fragment: { id, first: false }, about: null };
      }
      sawFragment = true;
      if ((word & 1) !== 0) fragment = { id, first: true };
      rest = rest.subarray(8);
      if (headers === 7) return unreadable('too many');
      continue;
    }
    if (kind === 43 && rest.readUInt8(3) !== 0) return unreadable('routing');
    rest = rest.subarray(kind === 51 ? (rest.readUInt8(1) + 2) * 4 : (rest.readUInt8(1) + 1) * 8);
    // eight of them and nothing else are too many, whatever follows
    if (headers === 7) return unreadable('too many');
  }
  return readTransport(rest, next, addresses, fragment, hopLimit, sawFragment);
}

const least: ReadonlyMap<number, number> = new Map([
  [6, 20],
  [17, 8],
  [132, 12],
]);

function readTransport(
  bytes: Buffer,
  protocol: number,
  addresses: { readonly src: string; readonly dst: string; readonly family: 4 | 6 },
  fragment: ReadPacket['fragment'],
  hopLimit: number,
  sawFragment = false,
): Reading {
  const packet = { kind: 'packet', ...addresses, protocol, fragment } as const;
  if (protocol === (addresses.family === 4 ? 1 : 58)) {
    if (bytes.length < 8) return unreadable('ICMP is cut off');
    const [type, code] = [bytes.readUInt8(0), bytes.readUInt8(1)];
    if (addresses.family === 6 && fragment === null && isLinkTalk(type, code, hopLimit) && !sawFragment)
      return { kind: 'link', src: addresses.src, claims: type === 134 ? 'router' : type === 136 ? bytes.toString('hex', 8, 24) : null };
    const isError = addresses.family === 4 ? [3, 4, 11, 12].includes(type) : type >= 1 && type <= 4;
    return { ...packet, port: type << 8, about: isError ? bytes.subarray(8) : null };
  }
  const room = least.get(protocol);
  if (room === undefined) return { ...packet, port: 0, about: null };
  if (bytes.length < room) return unreadable('header is cut off');
  if (protocol === 6 && bytes.readUInt8(12) >> 4 < 5) return unreadable('TCP header');
  return { ...packet, port: bytes.readUInt16BE(2), about: null };
}

function isLinkTalk(type: number, code: number, hopLimit: number): boolean {
  if (type >= 133 && type <= 136) return hopLimit === 255 && code === 0;
  return (type === 130 || type === 131 || type === 132 || type === 143) && hopLimit === 1;
}
