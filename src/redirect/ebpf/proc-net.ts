import { mapIp, unmapIp } from '../../pods/address.ts';

/** One line of /proc/PID/net/tcp or tcp6 in state LISTEN. */
export interface ListeningSocket {
  /** 4 also for an IPv6 socket at a v4-mapped address, which serves nothing else. */
  readonly family: 4 | 6;
  /** 16 bytes, IPv4 as v4-mapped. */
  readonly address: Uint8Array;
  readonly wildcard: boolean;
  readonly port: number;
  readonly inode: string;
}

const stateListen = '0A';

/**
 * Reads the listening sockets from the text of /proc/PID/net/tcp (family 4) or tcp6 (family 6). Addresses stand there as 32-bit words in host
 * order (little endian on every machine we run on), ports in hexadecimal. Lines that are not of that form are passed over.
 */
export function parseListeners(text: string, family: 4 | 6): readonly ListeningSocket[] {
  return text
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[3] === stateListen)
    .flatMap((fields) => {
      const [hex, port] = (fields[1] ?? '').split(':');
      const inode = fields[9];
      if (hex?.length !== (family === 4 ? 8 : 32) || port === undefined || inode === undefined) return [];
      const bytes = Buffer.from(hex, 'hex');
      bytes.swap32();
      const ip = unmapIp({ family, bytes: Uint8Array.from(bytes) });
      return [
        {
          family: ip.family,
          address: mapIp(ip),
          wildcard: ip.bytes.every((byte) => byte === 0),
          port: Number.parseInt(port, 16),
          inode,
        },
      ];
    });
}
