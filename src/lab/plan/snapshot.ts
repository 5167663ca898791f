import type { ServiceEntry } from '../../api/types.ts';
import type { PodSpec, ServicePort } from '../../manifests/types.ts';
import type { MeshService, MeshSnapshot, Workload } from '../../mesh/model.ts';
import type { LabObjects } from './objects.ts';

/** A running pod as the control plane needs it. */
export interface LivePod {
  readonly namespace: string;
  readonly name: string;
  readonly owner: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly spec: PodSpec;
  readonly addresses: readonly string[];
  readonly injected: boolean;
  readonly ready: boolean;
}

/** Istio's names, which the manifests rely on. */
export const meshNames = { trustDomain: 'cluster.local', clusterDomain: 'cluster.local', rootNamespace: 'istio-system' } as const;

/**
 * The mesh as the proxies' configuration sees it.
 * @param serviceAddresses virtual address by `namespace/name`
 */
export function meshSnapshot(objects: LabObjects, pods: readonly LivePod[], serviceAddresses: ReadonlyMap<string, string>): MeshSnapshot {
  return {
    ...meshNames,
    workloads: pods.map(workloadOf),
    services: objects.ofKind('Service').map((service): MeshService => {
      const { name, namespace } = service.metadata;
      const address = serviceAddresses.get(`${namespace}/${name}`);
      return {
        name,
        namespace,
        clusterIPs: address === undefined ? [] : [address],
        headless: service.clusterIP === 'None',
        affinitySeconds: service.affinitySeconds,
        ports: service.ports,
        selector: service.selector,
      };
    }),
    authorizationPolicies: objects.ofKind('AuthorizationPolicy'),
    peerAuthentications: objects.ofKind('PeerAuthentication'),
    defaultMutualTls: 'STRICT',
  };
}

function workloadOf(pod: LivePod): Workload {
  return {
    name: pod.name,
    namespace: pod.namespace,
    serviceAccount: pod.spec.serviceAccountName,
    labels: pod.labels,
    annotations: pod.annotations,
    owner: pod.owner,
    addresses: pod.addresses,
    ports: pod.spec.containers.flatMap((container) =>
      container.ports.map(({ name, containerPort, protocol }) => ({ name, port: containerPort, protocol })),
    ),
    injected: pod.injected,
    ready: pod.ready,
  };
}

/** What the node agent translates for flows that no proxy sees: every TCP port of every virtual address, with its ready pods. */
export function serviceEntries(snapshot: MeshSnapshot): readonly ServiceEntry[] {
  return snapshot.services.flatMap((service) =>
    service.clusterIPs.flatMap((address) =>
      service.ports
        .filter((port) => port.protocol === 'TCP')
        .map(
          (port): ServiceEntry => ({
            address,
            port: port.port,
            protocol: 'TCP',
            ...(service.affinitySeconds ? { affinitySeconds: service.affinitySeconds } : {}),
            backends: backendsOf(snapshot, service, port),
          }),
        ),
    ),
  );
}

function backendsOf(snapshot: MeshSnapshot, service: MeshService, port: ServicePort): ServiceEntry['backends'] {
  return snapshot.workloads
    .filter((workload) => workload.ready && isSelected(service, workload))
    .flatMap((workload) => {
      const target = targetPort(port, workload);
      const address = workload.addresses[0];
      return target === null || address === undefined ? [] : [{ address, port: target }];
    });
}

/** A service without a selector selects nothing, as in Kubernetes. */
function isSelected(service: MeshService, workload: Workload): boolean {
  const wanted = Object.entries(service.selector);
  return wanted.length > 0 && service.namespace === workload.namespace && wanted.every(([key, value]) => workload.labels[key] === value);
}

function targetPort(port: ServicePort, workload: Workload): number | null {
  if (typeof port.targetPort === 'number') return port.targetPort;
  return workload.ports.find((candidate) => candidate.name === port.targetPort && candidate.protocol === port.protocol)?.port ?? null;
}
