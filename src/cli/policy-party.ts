import type { PolicyPodView } from '../api/policy-types.ts';
import { exitCodes, UserError } from '../base/errors.ts';
import { parsePodReference, selectPod } from '../lab/plan/selection.ts';
import { formatIp, parseIp, unmapIp } from '../pods/address.ts';

/** One end of a connection that is asked about. `pod` is null where it is an address of nobody known. */
export interface PolicyParty {
  readonly pod: PolicyPodView | null;
  readonly addresses: readonly string[];
}

/**
 * Who `--from` or `--to` means: an address, or a pod as `lab exec` names one. Of several pods one of this node is taken.
 * @throws UserError POD_UNKNOWN, USAGE
 */
export function partyFor(text: string, pods: readonly PolicyPodView[], namespace: string | null, instance: string): PolicyParty {
  const ip = parseIp(text);
  if (ip !== null) {
    const address = formatIp(unmapIp(ip));
    return { pod: pods.find(({ addresses }) => addresses.includes(address)) ?? null, addresses: [address] };
  }
  const candidates = pods.map((pod) => ({ ...pod, ready: pod.local, terminating: false }));
  try {
    const { namespace: found, name } = selectPod(candidates, parsePodReference(text), namespace, instance);
    const pod = pods.find((one) => one.namespace === found && one.name === name) ?? null;
    return { pod, addresses: pod?.addresses ?? [] };
  } catch (error) {
    if (!(error instanceof UserError) || error.code !== 'POD_UNKNOWN') throw error;
    // the lab's words send to a command of the lab, and here may be none
    throw new UserError('POD_UNKNOWN', error.message, { cure: error.cure, command: `millrace pod list --instance ${instance}` });
  }
}

/** The first two addresses of one family. @throws UserError USAGE where the two ends have none */
export function addressPair(from: PolicyParty, to: PolicyParty, ipv6: boolean): { readonly source: string; readonly destination: string } {
  const families = ipv6 ? [6] : [4, 6];
  for (const family of families) {
    const [source, destination] = [from, to].map(({ addresses }) => addresses.find((address) => parseIp(address)?.family === family));
    if (source !== undefined && destination !== undefined) return { source, destination };
  }
  const all = [...from.addresses, ...to.addresses].join(', ');
  throw new UserError('USAGE', `Cannot trace because the two ends have no addresses of one family${ipv6 ? ' (IPv6)' : ''}: ${all}`, {
    cure: 'Name two addresses of one family.',
    exitCode: exitCodes.usage,
  });
}

/** `10.244.0.2 (demo/sleep-…, identity 257)`. */
export function partyText({ pod }: PolicyParty, address: string): string {
  return pod === null ? address : `${address} (${pod.namespace}/${pod.name}, identity ${pod.identity})`;
}
