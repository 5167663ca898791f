import type { SocketAddress } from '../kernel/index.ts';
import { formatIp, parseIp, unmapIp } from '../pods/address.ts';

/** `10.0.0.1:80` or `[::1]:80`. @throws Error for anything else: the texts are ours */
export function endpoint(text: string): SocketAddress {
  const match = /^(?:\[(.+)\]|([^:]+)):(\d+)$/.exec(text);
  const ip = parseIp(match?.[1] ?? match?.[2] ?? '');
  if (ip === null) throw new Error(`no endpoint: ${text}`);
  return { address: ip.bytes, port: Number(match?.[3]) };
}

/** The reverse of `endpoint`; `none` for null. */
export function endpointText(address: SocketAddress | null): string {
  return address === null ? 'none' : withPort(address, String(address.port));
}

/** As `endpointText`, with a word in place of the port: `10.0.0.1:*`. */
export function endpointTextWith(address: SocketAddress | null, port: string): string {
  return address === null ? 'none' : withPort(address, port);
}

function withPort({ address }: SocketAddress, port: string): string {
  const family = address.length === 4 ? 4 : 6;
  const text = formatIp({ family, bytes: address });
  return `${family === 4 ? text : `[${text}]`}:${port}`;
}

/** The family of the socket that `text` needs: 6 for a v4-mapped address too. */
export function socketFamily(text: string): 4 | 6 {
  return endpoint(text).address.length === 4 ? 4 : 6;
}

/** The address without the port, and an IPv4 address without its IPv6 clothes: `10.0.0.1` of `[::ffff:10.0.0.1]:80`. */
export function plainAddress(text: string): string {
  const { address } = endpoint(text);
  return formatIp(unmapIp({ family: address.length === 4 ? 4 : 6, bytes: address }));
}

/** `[::ffff:10.0.0.1]:80` as `10.0.0.1:80`; anything else unchanged. */
export function unmapped(text: string): string {
  return text.replace(/^\[::ffff:([\d.]+)\]/, '$1');
}
