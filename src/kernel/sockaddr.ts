/** Address families of sys/socket.h. */
export const addressFamily = { v4: 2, v6: 10 } as const;

/** An address and port. `address` is 4 or 16 bytes in network order; pods/address.ts has the text form. */
export interface SocketAddress {
  readonly address: Uint8Array;
  readonly port: number;
  /** Interface index of a link-local IPv6 address; 0 or absent elsewhere. */
  readonly scope?: number;
}

/** struct sockaddr_in (16 bytes) or sockaddr_in6 (28 bytes). @throws RangeError for another length of address or a port above 65535 */
export function encodeSockaddr(value: SocketAddress): Buffer {
  const { address, port } = value;
  if (address.length !== 4 && address.length !== 16) throw new RangeError(`Cannot encode a socket address of ${address.length} bytes`);
  const bytes = Buffer.alloc(address.length === 4 ? 16 : 28);
  bytes.writeUInt16LE(address.length === 4 ? addressFamily.v4 : addressFamily.v6, 0);
  bytes.writeUInt16BE(port, 2);
  bytes.set(address, address.length === 4 ? 4 : 8);
  if (address.length === 16) bytes.writeUInt32LE(value.scope ?? 0, 24);
  return bytes;
}

/** Reads struct sockaddr_in or sockaddr_in6; null for any other family and for too few bytes. */
export function decodeSockaddr(bytes: Uint8Array): SocketAddress | null {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer.length < 2) return null;
  const family = buffer.readUInt16LE(0);
  if (family === addressFamily.v4 && buffer.length >= 8)
    return { address: Uint8Array.from(buffer.subarray(4, 8)), port: buffer.readUInt16BE(2) };
  if (family !== addressFamily.v6 || buffer.length < 24) return null;
  const scope = buffer.length >= 28 ? buffer.readUInt32LE(24) : 0;
  return { address: Uint8Array.from(buffer.subarray(8, 24)), port: buffer.readUInt16BE(2), ...(scope === 0 ? {} : { scope }) };
}
