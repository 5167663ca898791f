import type { Logger } from '../../base/log.ts';
import { closeFd, socketIn } from '../../kernel/index.ts';
import type { DnsServer, SeenAnswer } from '../../mesh/dns/server.ts';
import { createDnsServer } from '../../mesh/dns/server.ts';
import type { DnsZone } from '../../mesh/dns/zone.ts';
import { parseIp } from '../../pods/address.ts';
import { labNetwork } from '../plan/addresses.ts';

const backlog = 64;
/** Where it listens, on labNetwork.dnsAddress. */
export const nameServerPort = 53;

/**
 * The cluster's name server on 10.96.0.10:53, UDP and TCP, in the node's network namespace. Names outside the cluster are
 * refused but for those that the zone has as well: the lab has no way out.
 */
export async function startNameServer(options: {
  readonly netns: string;
  readonly zone: () => DnsZone;
  /** As DnsServerOptions.beforeAnswer. */
  readonly beforeAnswer: (seen: SeenAnswer) => Promise<void> | null;
  /** Told of every answer. */
  readonly onAnswer: (seen: SeenAnswer) => void;
  readonly log: Logger;
}): Promise<DnsServer> {
  const address = parseIp(labNetwork.dnsAddress)?.bytes;
  if (address === undefined) throw new Error(`not an address: ${labNetwork.dnsAddress}`);
  const bind = { address, port: nameServerPort };
  const udpFd = socketIn(options.netns, { type: 'udp', family: 4, bind });
  let tcpFd: number;
  try {
    tcpFd = socketIn(options.netns, { type: 'tcp', family: 4, bind, reuse: true, listen: backlog });
  } catch (error) {
    closeFd(udpFd);
    throw error;
  }
  const { zone, beforeAnswer, onAnswer, log } = options;
  return createDnsServer({ udpFd, tcpFd, zone, upstreams: [], beforeAnswer, onAnswer, log });
}
