import type { SocketAddress } from '../kernel/index.ts';
import { formatIp, parseIp, unmapIp } from '../pods/address.ts';

/** `10.0.0.1:80` or `[::1]:80`. @throws Error for anything else: the texts are ours */
export function endpoint(text: string): SocketAddress {
  const match = /^(?:\[(.+)\]|([^:]+)):(\d+)$/.exec(text);
  const ip = parseIp(match?.[1] ?? match?.[2] ?? '');
  if (ip === null) throw new Error(`no endpoint: ${text}`);
  return { address: ip.bytes, port: Number(match?.[3]) };
}

/** The reverse of `endpoint`; `none` for null. `port` stands in place of the number. */
export function endpointText(address: SocketAddress | null, port: string | null = null): string {
  if (address === null) return 'none';
  const family = address.address.length === 4 ? 4 : 6;
  const text = formatIp({ family, bytes: address.address });
  return `${family === 4 ? text : `[${text}]`}:${port ?? address.port}`;
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
