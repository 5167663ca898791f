import { namespaceLabel } from './codes.ts';
import type { Directory } from './directory.ts';
import type { Endpoint } from './types.ts';

/** One side of a flow: who had this identity and address. */
export function endpointOf(
  identity: number,
  address: string,
  { directory, clusterName }: { readonly directory: Directory; readonly clusterName: string },
): Endpoint {
  const labels = directory.labelsOf(identity);
  const pod = directory.podAt(address);
  const namespace = pod?.namespace ?? namespaceOf(labels) ?? '';
  return {
    ID: pod?.id ?? 0,
    identity,
    // what lies outside the cluster has no cluster's name
    clusterName: namespace === '' ? '' : clusterName,
    namespace,
    labels,
    podName: pod?.name ?? '',
    workloads: pod?.workload == null ? [] : [pod.workload],
  };
}

/** The namespace that an identity's labels tell; null where they tell none. */
export function namespaceOf(labels: readonly string[]): string | null {
  const label = labels.find((text) => text.startsWith(namespaceLabel));
  return label === undefined ? null : label.slice(namespaceLabel.length);
}
