import type { PolicyOverview, PolicyPodView, PolicyServiceView } from '../api/policy-types.ts';
import { exitCodes, UserError } from '../base/errors.ts';
import { parsePodReference, selectPod } from '../lab/plan/selection.ts';
import { formatIp, parseIp, unmapIp } from '../pods/address.ts';

/** One end of a connection that is asked about. `pod` is null where it is an address of nobody known. */
export interface PolicyParty {
  readonly pod: PolicyPodView | null;
  readonly addresses: readonly string[];
}

/** What is known of a cluster, of GET /v1/policies. */
export type KnownParties = Pick<PolicyOverview, 'pods' | 'services'>;

/**
 * Who `--from` or `--to` means: an address, a pod as `lab exec` names one, or a pod of a service (`svc/NAME`, `svc/NAME.NAMESPACE`, or its address).
 * Of several pods one of this node is taken.
 * @throws UserError POD_UNKNOWN, USAGE
 */
export function partyFor(text: string, known: KnownParties, namespace: string | null, instance: string): PolicyParty {
  const { pods, services } = known;
  const ip = parseIp(text);
  const address = ip === null ? null : formatIp(unmapIp(ip));
  const service =
    address === null ? serviceNamed(text, services, namespace) : services.find(({ clusterIPs }) => clusterIPs.includes(address));
  if (service !== undefined) {
    const behind = service.pods.flatMap((name) => pods.filter((pod) => `${pod.namespace}/${pod.name}` === name));
    const pod = behind.find(({ local }) => local) ?? behind[0];
    if (pod !== undefined) return { pod, addresses: pod.addresses };
    throw new UserError('POD_UNKNOWN', `Cannot find a pod because the service has none: ${service.namespace}/${service.name}`, {
      cure: 'Compare its selector with the labels of the pods; policy judges pods, not services.',
      command: `millrace pod list --instance ${instance}`,
    });
  }
  if (address !== null) return { pod: pods.find(({ addresses }) => addresses.includes(address)) ?? null, addresses: [address] };
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

const serviceReference = /^(?:svc|service|services)\/([^./]+)(?:\.([^.]+)(?:\..*)?)?$/;

/** undefined where the text names no service at all. @throws UserError POD_UNKNOWN where it names one that is not there, or several */
function serviceNamed(text: string, services: readonly PolicyServiceView[], namespace: string | null): PolicyServiceView | undefined {
  const [, name, own] = serviceReference.exec(text) ?? [];
  if (name === undefined) return undefined;
  const within = own ?? namespace;
  const [found, ...more] = services.filter((service) => service.name === name && (within === null || service.namespace === within));
  if (found !== undefined && more.length === 0) return found;
  const names = (found === undefined ? services : [found, ...more]).map((service) => `svc/${service.name}.${service.namespace}`).join(', ');
  throw new UserError(
    'POD_UNKNOWN',
    `Cannot find a service because ${found === undefined ? 'none has this name' : 'several have this name'}: '${text}'`,
    {
      cure: names === '' ? 'Policy knows no services: a lab or cluster tells it of them.' : `Services are: ${names}.`,
    },
  );
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
