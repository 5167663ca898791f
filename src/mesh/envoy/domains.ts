import type { MeshService, MeshSnapshot } from '../model.ts';
import { hostForm } from './names.ts';

/**
 * Every Host value by which a client in `clientNamespace` may call one port of a service, each with and without the port:
 * the name alone (own namespace only), name.namespace, …svc, the full name, the cluster addresses; for a headless service also its pods'
 * own names (`pod-0.name.namespace…`). Sorted and unique.
 */
export function serviceDomains(
  snapshot: Pick<MeshSnapshot, 'clusterDomain'>,
  service: MeshService,
  port: number,
  clientNamespace: string,
): readonly string[] {
  const scoped = `${service.name}.${service.namespace}`;
  const names = [scoped, `${scoped}.svc`, `${scoped}.svc.${snapshot.clusterDomain}`];
  if (service.namespace === clientNamespace) names.push(service.name);
  const hosts = [...names, ...service.clusterIPs.map(hostForm)];
  if (service.headless) hosts.push(...names.map((name) => `*.${name}`));
  return [...new Set(hosts.flatMap((host) => [host, `${host}:${port}`]))].sort();
}
