/** Messages of rtnetlink(7) as bytes: requests for addresses, interfaces and routes, and what the kernel answers. Pure. */

const RTM_GETLINK = 18;
const RTM_NEWLINK = 16;
const RTM_GETADDR = 22;
const RTM_NEWADDR = 20;
const RTM_GETROUTE = 26;
const RTM_NEWROUTE = 24;
const RTN_UNICAST = 1;
const RT_TABLE_MAIN = 254;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const NLM_F_REQUEST = 1;
const NLM_F_DUMP = 0x300;
const NLM_F_DUMP_INTR = 0x10;

const headerBytes = 16;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFLA_IFNAME = 3;
const IFLA_LINK = 5;
const IFLA_LINKINFO = 18;
const IFLA_LINK_NETNSID = 37;
const IFLA_INFO_KIND = 1;
const RTM_NEWNSID = 88;
const RTM_GETNSID = 90;
const NETNSA_NSID = 1;
const NETNSA_FD = 3;
const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_PREFSRC = 7;
const AF_INET = 2;
const AF_INET6 = 10;

/** The requests and the sizes of their structures (ifinfomsg, ifaddrmsg, rtmsg); all zero means all. */
const dumps = {
  interfaces: { request: RTM_GETLINK, bytes: 16 },
  addresses: { request: RTM_GETADDR, bytes: 8 },
  routes: { request: RTM_GETROUTE, bytes: 12 },
} as const;

export type DumpKind = keyof typeof dumps;

/** A request for everything of one kind. `sequence` comes back in the answers. */
export function dumpRequest(what: DumpKind, sequence: number): Buffer {
  const { request, bytes } = dumps[what];
  const message = Buffer.alloc(headerBytes + bytes);
  message.writeUInt32LE(message.length, 0);
  message.writeUInt16LE(request, 4);
  message.writeUInt16LE(NLM_F_REQUEST | NLM_F_DUMP, 6);
  message.writeUInt32LE(sequence, 8);
  return message;
}

/** A request for the number that a namespace has for the one that `fd` is of. */
export function netnsIdRequest(fd: number, sequence: number): Buffer {
  // struct rtgenmsg (1 byte, padded) and one attribute
  const message = Buffer.alloc(headerBytes + 4 + 8);
  message.writeUInt32LE(message.length, 0);
  message.writeUInt16LE(RTM_GETNSID, 4);
  message.writeUInt16LE(NLM_F_REQUEST, 6);
  message.writeUInt32LE(sequence, 8);
  message.writeUInt16LE(8, headerBytes + 4);
  message.writeUInt16LE(NETNSA_FD, headerBytes + 6);
  message.writeInt32LE(fd, headerBytes + 8);
  return message;
}

/** What an interface is and what it hangs on. */
export interface InterfaceLink {
  /** `veth`, `netkit`, `macvlan`; null for hardware. */
  readonly type: string | null;
  /** Index of the other end (veth, netkit) or of the interface below. */
  readonly index: number;
  /** The namespace of the other one, as this namespace numbers it; null: this namespace. */
  readonly netnsId: number | null;
}

export type NetlinkMessage =
  | { readonly kind: 'interface'; readonly index: number; readonly name: string; readonly link?: InterfaceLink }
  /** `id` is negative where the namespace has no number. */
  | { readonly kind: 'netns'; readonly id: number }
  | { readonly kind: 'address'; readonly index: number; readonly address: Uint8Array; readonly prefix: number; readonly flags: number }
  /** A unicast route of the main table. `destination` has no bytes for a default route. */
  | {
      readonly kind: 'route';
      readonly family: 4 | 6;
      readonly index: number;
      readonly destination: Uint8Array;
      readonly prefix: number;
      readonly gateway: Uint8Array | null;
      readonly source: Uint8Array | null;
    }
  | { readonly kind: 'done' }
  /** `errno` is positive. */
  | { readonly kind: 'error'; readonly errno: number }
  /** The list changed while it was being read: ask again. */
  | { readonly kind: 'interrupted' };

/** Reads one datagram; unknown messages are passed over, a cut-off one ends it. */
export function readNetlink(datagram: Buffer): NetlinkMessage[] {
  const messages: NetlinkMessage[] = [];
  for (let at = 0; at + headerBytes <= datagram.length; ) {
    const length = datagram.readUInt32LE(at);
    if (length < headerBytes || at + length > datagram.length) break;
    if ((datagram.readUInt16LE(at + 6) & NLM_F_DUMP_INTR) !== 0) messages.push({ kind: 'interrupted' });
    const message = readMessage(datagram.readUInt16LE(at + 4), datagram.subarray(at + headerBytes, at + length));
    if (message !== null) messages.push(message);
    at += align(length);
  }
  return messages;
}

function readMessage(type: number, body: Buffer): NetlinkMessage | null {
  switch (type) {
    case NLMSG_DONE:
      return { kind: 'done' };
    case NLMSG_ERROR:
      return body.length < 4 ? null : { kind: 'error', errno: -body.readInt32LE(0) };
    case RTM_NEWLINK: {
      if (body.length < 16) return null;
      const found = attributes(body.subarray(16));
      const name = found.get(IFLA_IFNAME);
      if (name === undefined) return null;
      const link = readLink(found);
      return { kind: 'interface', index: body.readInt32LE(4), name: text(name), ...(link === null ? {} : { link }) };
    }
    case RTM_NEWNSID: {
      const id = body.length < 4 ? undefined : attributes(body.subarray(4)).get(NETNSA_NSID);
      return id === undefined ? null : { kind: 'netns', id: id.readInt32LE(0) };
    }
    case RTM_NEWADDR: {
      if (body.length < 8) return null;
      const found = attributes(body.subarray(8));
      // On point-to-point interfaces IFA_ADDRESS is the peer's.
      const address = found.get(IFA_LOCAL) ?? found.get(IFA_ADDRESS);
      if (address === undefined) return null;
      return {
        kind: 'address',
        index: body.readUInt32LE(4),
        address: Uint8Array.from(address),
        prefix: body.readUInt8(1),
        flags: body.readUInt8(2),
      };
    }
    case RTM_NEWROUTE:
      return readRoute(body);
    default:
      return null;
  }
}

function readLink(found: ReadonlyMap<number, Buffer>): InterfaceLink | null {
  const index = found.get(IFLA_LINK)?.readUInt32LE(0);
  if (index === undefined) return null;
  const information = found.get(IFLA_LINKINFO);
  const type = information === undefined ? undefined : attributes(information).get(IFLA_INFO_KIND);
  return { type: type === undefined ? null : text(type), index, netnsId: found.get(IFLA_LINK_NETNSID)?.readInt32LE(0) ?? null };
}

function text(bytes: Buffer): string {
  return bytes.toString('utf8').replace(/\0.*$/s, '');
}

function readRoute(body: Buffer): NetlinkMessage | null {
  if (body.length < 12) return null;
  const [family, prefix] = [body.readUInt8(0), body.readUInt8(1)];
  if (family !== AF_INET && family !== AF_INET6) return null;
  if (body.readUInt8(4) !== RT_TABLE_MAIN || body.readUInt8(7) !== RTN_UNICAST) return null;
  const found = attributes(body.subarray(12));
  // routes over several interfaces have no one of their own
  const index = found.get(RTA_OIF)?.readUInt32LE(0);
  if (index === undefined) return null;
  const destination = Uint8Array.from(found.get(RTA_DST) ?? []);
  const address = (type: number): Uint8Array | null => {
    const bytes = found.get(type);
    return bytes === undefined ? null : Uint8Array.from(bytes);
  };
  return {
    kind: 'route',
    family: family === AF_INET ? 4 : 6,
    index,
    destination,
    prefix,
    gateway: address(RTA_GATEWAY),
    source: address(RTA_PREFSRC),
  };
}

function attributes(bytes: Buffer): Map<number, Buffer> {
  const found = new Map<number, Buffer>();
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = bytes.readUInt16LE(at);
    if (length < 4 || at + length > bytes.length) break;
    found.set(bytes.readUInt16LE(at + 2) & 0x3fff, bytes.subarray(at + 4, at + length));
    at += align(length);
  }
  return found;
}

function align(length: number): number {
  return (length + 3) & ~3;
}
