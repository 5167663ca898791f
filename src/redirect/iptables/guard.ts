import { chainPrefix } from './types.ts';

/** The chain that stops all traffic while rules are swapped. Its prefix makes a guard that a crash left behind show up as drift. */
export const guardChain = `${chainPrefix}GUARD`;

/**
 * The input of iptables-restore --noflush that stops all traffic in, out and through. Declaring the chain with `:` makes it or empties it,
 * so that it also works over a guard that was left behind; a second set of jumps does no harm, because all of them are removed together.
 */
export function formatGuard(): string {
  const jumps = ['INPUT', 'FORWARD', 'OUTPUT'].map((chain) => `-I ${chain} 1 -j ${guardChain}`);
  return ['* filter', `:${guardChain} - [0:0]`, `-A ${guardChain} -j DROP`, ...jumps, 'COMMIT', ''].join('\n');
}
