import { readFileSync } from 'node:fs';
import { inNetns } from './netns.ts';

const switches = ['/proc/sys/net/ipv4/ip_forward', '/proc/sys/net/ipv6/conf/all/forwarding'];

/** Whether a network namespace forwards packets of others, in either family. /proc/sys/net shows the namespace of the thread that reads. */
export function netnsForwards(netns: { readonly fd: number }): boolean {
  return inNetns(netns.fd, () => switches.some((path) => read(path) !== '0'));
}

/** A family that the kernel does not have does not forward. */
function read(path: string): string {
  try {
    return readFileSync(path, 'latin1').trim();
  } catch {
    return '0';
  }
}
