import { isMissingProgram } from './command.ts';
import type { ConntrackEntry, ConntrackFilter } from './conntrack.ts';
import { matchesConntrack, parseConntrack } from './conntrack.ts';
import { iptablesFailed } from './failure.ts';
import type { NetnsTarget, OpenNetns } from './netns.ts';
import { withNetns } from './netns.ts';

/**
 * The connections that a namespace tracks, of both families, that the filter lets through. Asks `conntrack`, or reads /proc/net/nf_conntrack on
 * machines without it (which a kernel built without NF_CONNTRACK_PROCFS lacks).
 * @throws UserError NETNS_INVALID, MACHINE_MISSING_PROGRAM when neither is there, IPTABLES_FAILED when the program fails.
 */
export async function conntrackEntries(
  target: NetnsTarget,
  filter: ConntrackFilter = {},
  options: { readonly signal?: AbortSignal } = {},
): Promise<ConntrackEntry[]> {
  const text = await withNetns(target, (netns) => readTable(netns, options.signal));
  return parseConntrack(text).filter((entry) => matchesConntrack(entry, filter));
}

async function readTable(netns: OpenNetns, signal?: AbortSignal): Promise<string> {
  try {
    const parts: string[] = [];
    for (const family of ['ipv4', 'ipv6']) {
      const result = await netns.run('conntrack', ['-L', '-f', family, '-o', 'extended'], signal === undefined ? {} : { signal });
      if (result.exitCode !== 0) throw iptablesFailed(netns.path, 'conntrack', result.stderr);
      parts.push(result.stdout);
    }
    return parts.join('\n');
  } catch (error) {
    if (!isMissingProgram(error)) throw error;
    const result = await netns.run('cat', ['/proc/net/nf_conntrack'], signal === undefined ? {} : { signal });
    if (result.exitCode !== 0) throw error;
    return result.stdout;
  }
}
