import type { InterfaceAddress } from '../kernel/index.ts';
import type { IpAddress } from '../pods/address.ts';

/** The addresses of a network namespace, told apart by what they are good for. */
export interface PodAddresses {
  /** What the pod is known by, primary first. */
  readonly addresses: readonly IpAddress[];
  /** Everything that is local, loopback and link-local included. */
  readonly localAddresses: readonly IpAddress[];
}

/** Pure. Keeps the kernel's order, in which an interface's primary address comes first. */
export function podAddresses(found: readonly InterfaceAddress[]): PodAddresses {
  const all = found.map(({ interfaceName, address }) => ({
    interfaceName,
    ip: { family: address.length === 4 ? 4 : 6, bytes: address } as const,
  }));
  return {
    addresses: all.filter(({ interfaceName, ip }) => interfaceName !== 'lo' && !isLinkLocal(ip)).map(({ ip }) => ip),
    localAddresses: all.map(({ ip }) => ip),
  };
}

/** fe80::/10 or 169.254.0.0/16 */
function isLinkLocal({ family, bytes }: IpAddress): boolean {
  if (family === 4) return bytes[0] === 169 && bytes[1] === 254;
  return bytes[0] === 0xfe && ((bytes[1] ?? 0) & 0xc0) === 0x80;
}
