import { parseIp } from '../pods/address.ts';
import { protocolNumbers } from '../policy/protocols.ts';
import type { PolicyPod } from '../policy/types.ts';
import type { PodGuard, PolicyEndpoint } from '../policy-tables/index.ts';
import type { EnrolledPod } from './enrolled-pod.ts';

/** What annotations say of a pod and policy. */
export const policyAnnotations = {
  /** `reject`: connect() to what policy denies fails at once instead of waiting. */
  deny: 'millrace.io/deny',
  /** `true`: what policy denies passes, and is reported. */
  audit: 'millrace.io/policy-audit',
  /** `true`: it sends packets of others (a VPN, a router): their sources are not looked at. */
  forwards: 'millrace.io/forwards',
} as const;

/** Where pods without a namespace of their own are. */
const defaultNamespace = 'default';

/** A pod as policy selects it, with the addresses that are its own; null while it has none, which nobody can speak from or to. */
export function policyPodOf({ request }: EnrolledPod, addresses: readonly string[]): PolicyPod | null {
  if (addresses.length === 0) return null;
  const slash = request.name.indexOf('/');
  return {
    name: request.name.slice(slash + 1),
    namespace: slash < 0 ? defaultNamespace : request.name.slice(0, slash),
    labels: request.labels,
    serviceAccount: request.serviceAccount ?? 'default',
    addresses,
    namedPorts: (request.namedPorts ?? []).map(({ name, protocol, port }) => ({ name, protocol: protocolNumbers[protocol], port })),
    hostNetwork: false,
    local: true,
    workload: request.workload ?? null,
  };
}

/** The row of a pod. `policies`: whether there are any; without them a pod may speak as whom it likes, as if we were not there. */
export function endpointOf(pod: EnrolledPod, addresses: readonly string[], identity: number, policies: boolean): PolicyEndpoint {
  const { annotations } = pod.request;
  const families = addresses.map((text) => parseIp(text)?.family);
  const several = new Set(families).size < families.length;
  return {
    cookie: pod.netns.cookie,
    identity,
    addresses,
    audit: annotations[policyAnnotations.audit] === 'true',
    reject: annotations[policyAnnotations.deny] === 'reject',
    forwards: !policies || several || annotations[policyAnnotations.forwards] === 'true',
  };
}

/** Why policy is not, or not everywhere, enforced at a pod's interfaces; null: it is. */
export function guardProblem(guard: Pick<PodGuard, 'interfaces' | 'unseen' | 'moved'>): string | null {
  if (guard.moved.length > 0) {
    return `an interface was taken out of the pod: what comes through the node's interface ${guard.moved.join(', ')} is judged as the pod's`;
  }
  if (guard.unseen.length > 0) {
    return `policy is not enforced on ${guard.unseen.join(', ')}: the other end is not in the node's network namespace, or is no veth or netkit`;
  }
  return guard.interfaces.length === 0 ? 'policy is not enforced: the pod has no interface that leads to the node' : null;
}
