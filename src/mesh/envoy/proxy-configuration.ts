import { policiesForWorkload } from '../authorization/select.ts';
import type { MeshSnapshot, RedirectBackend, Workload } from '../model.ts';
import { httpAuthorizationFiles } from './authorization-filters.ts';
import type { ProxyOptions } from './context.ts';
import { proxyContext } from './context.ts';
import type { ProxyFiles } from './files.ts';
import { discoveryFile } from './files.ts';
import { carriesHttp, inboundClusters, inboundListeners } from './inbound-listeners.ts';
import { outboundClusters } from './outbound-clusters.ts';
import { outboundListeners } from './outbound-listeners.ts';
import { httpPorts, routeConfiguration } from './routes.ts';
import type { Cluster, Listener } from './types.ts';

/**
 * Everything that one pod's proxy is told, but its secrets (secretsFiles): `cds.json`, `lds.json`, `rds/PORT.json` for each HTTP port of the
 * mesh and `ecds/…json` for the HTTP policies. A pure function: the same snapshot gives the same bytes, whatever the order of its lists.
 * Throws UserError MESH_INVALID for a policy that cannot be translated.
 */
export function proxyConfiguration(
  snapshot: MeshSnapshot,
  workload: Workload,
  backend: RedirectBackend,
  options: ProxyOptions,
): ProxyFiles {
  const context = proxyContext(snapshot, workload, backend, options);
  const policies = policiesForWorkload(snapshot, workload);
  const routes = [...httpPorts(context)].map(([port, services]) => [
    `rds/${port}.json`,
    discoveryFile([routeConfiguration(context, port, services)]),
  ]);
  const clusters = [...outboundClusters(context), ...inboundClusters(context)];
  const listeners = [...outboundListeners(context), ...inboundListeners(context, policies)];
  return {
    'cds.json': discoveryFile(notEmpty<Cluster>(clusters)),
    'lds.json': discoveryFile(notEmpty<Listener>(listeners)),
    ...Object.fromEntries(routes),
    ...(carriesHttp(context) ? httpAuthorizationFiles(policies, snapshot.trustDomain) : {}),
  };
}

function notEmpty<T>(list: readonly T[]): readonly [T, ...T[]] {
  const [first, ...rest] = list;
  if (first === undefined) throw new Error('a proxy without listeners or clusters');
  return [first, ...rest];
}
