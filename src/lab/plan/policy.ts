import type { PolicyUpdate } from '../../api/policy-types.ts';
import { isPolicy } from '../../manifests/kinds.ts';
import type { Manifest, ManifestWarning, PolicyManifest } from '../../manifests/types.ts';
import { toPolicy } from '../../policy/model.ts';
import { protocolNumbers } from '../../policy/protocols.ts';
import type { PolicyPod, PolicyService } from '../../policy/types.ts';
import type { LabPolicy } from '../api.ts';
import { labNetwork } from './addresses.ts';
import type { LabObjects } from './objects.ts';

/**
 * The name server runs on the node. To policies it is the pod that it is in a cluster, so that the usual rule for DNS (to kube-dns of kube-system)
 * means it.
 */
const nameServer: PolicyPod = {
  name: 'coredns',
  namespace: 'kube-system',
  labels: { 'k8s-app': 'kube-dns' },
  serviceAccount: 'coredns',
  addresses: [labNetwork.dnsAddress],
  namedPorts: [
    { name: 'dns', protocol: protocolNumbers.UDP, port: 53 },
    { name: 'dns-tcp', protocol: protocolNumbers.TCP, port: 53 },
  ],
  hostNetwork: false,
  local: false,
  workload: { kind: 'Deployment', name: 'coredns' },
};

/** All policies of the lab, with everything but its pods that they may speak of. What is "outside" is left out: it is the world. */
export function policyUpdate(objects: LabObjects, serviceAddresses: ReadonlyMap<string, string>): PolicyUpdate {
  return {
    policies: objects.all().filter(isPolicy),
    namespaces: objects.ofKind('Namespace').map(({ metadata: { name, labels } }) => ({ name, labels })),
    services: objects.ofKind('Service').map(({ metadata: { name, namespace, labels }, selector, ports }): PolicyService => {
      const address = serviceAddresses.get(`${namespace}/${name}`);
      return {
        name,
        namespace,
        labels,
        selector,
        clusterIPs: address === undefined ? [] : [address],
        ports: ports.map((port) => ({ name: port.name, protocol: protocolNumbers[port.protocol], port: port.port })),
        externalEndpoints: [],
      };
    }),
    nodes: [{ name: 'millrace-node', labels: {}, addresses: [labNetwork.nodeAddress4, labNetwork.nodeAddress6], local: true }],
    pods: [nameServer],
  };
}

/** Every policy and whether it is valid. */
export function labPolicies(objects: LabObjects): readonly LabPolicy[] {
  return objects.all().filter(isPolicy).map(policyOf);
}

/** A warning for each policy that is not enforced, but for the faults that reading it has told with their places. */
export function invalidPolicies(manifests: readonly Manifest[]): readonly ManifestWarning[] {
  return manifests.filter(isPolicy).flatMap((manifest) => {
    const { valid, reasons } = policyOf(manifest);
    const told = 'faults' in manifest && manifest.faults.length > 0;
    if (valid || told) return [];
    const { kind, metadata, position } = manifest;
    return [{ message: `${kind} ${metadata.name} is invalid and not enforced: ${reasons.join('; ')}`, position }];
  });
}

function policyOf(manifest: PolicyManifest): LabPolicy {
  const { name, namespace } = manifest.metadata;
  const { problems } = toPolicy(manifest);
  return { kind: manifest.kind, namespace, name, valid: problems.length === 0, reasons: problems };
}
