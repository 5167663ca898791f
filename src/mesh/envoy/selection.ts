import type { MeshService, MeshSnapshot, Workload } from '../model.ts';

/** Whether labels satisfy a selector: every pair of the selector is among them. An empty selector is satisfied by all. */
export function selects(selector: Readonly<Record<string, string>>, labels: Readonly<Record<string, string>>): boolean {
  return Object.entries(selector).every(([key, value]) => labels[key] === value);
}

/** The pods behind a service, ready or not, by namespace and name. A service without a selector has none: the lab keeps no Endpoints objects. */
export function workloadsOfService(snapshot: MeshSnapshot, service: MeshService): readonly Workload[] {
  if (Object.keys(service.selector).length === 0) return [];
  return snapshot.workloads
    .filter((workload) => workload.namespace === service.namespace && selects(service.selector, workload.labels))
    .sort(byNamespaceAndName);
}

/** The services that select a pod, by name. */
export function servicesOfWorkload(snapshot: MeshSnapshot, workload: Workload): readonly MeshService[] {
  return snapshot.services
    .filter(
      (service) =>
        service.namespace === workload.namespace && Object.keys(service.selector).length > 0 && selects(service.selector, workload.labels),
    )
    .sort(byNamespaceAndName);
}

/** A workload's port number for a service's targetPort; null where the pod has no port of that name. */
export function targetPortOf(workload: Workload, targetPort: number | string): number | null {
  if (typeof targetPort === 'number') return targetPort;
  return workload.ports.find((port) => port.name === targetPort && port.protocol === 'TCP')?.port ?? null;
}

/** Orders by namespace, then name, by code unit: the same on every machine and locale. */
export function byNamespaceAndName(
  a: { readonly namespace: string; readonly name: string },
  b: { readonly namespace: string; readonly name: string },
): number {
  if (a.namespace !== b.namespace) return a.namespace < b.namespace ? -1 : 1;
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}
