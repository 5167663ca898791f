import type { MutualTlsMode, PeerAuthenticationManifest } from '../../manifests/types.ts';
import type { MeshSnapshot, Workload } from '../model.ts';
import { selects } from './selection.ts';

/** What a port asks of its peers: mutual TLS only, either, or never. */
export type EffectiveMutualTls = 'STRICT' | 'PERMISSIVE' | 'DISABLE';

/**
 * The mode for one port of a workload. The most specific PeerAuthentication that is not UNSET decides: port, then workload selector, then
 * namespace, then root namespace, then the mesh's default. `port` is the workload's own port (null: a port nobody declared).
 * As in Istio, a selector in the root namespace selects nothing, portLevel needs a selector, and of several policies of one level the
 * first by name counts (Istio takes the oldest and then the first by name; a file's policies are all of one age).
 */
export function effectiveMutualTls(snapshot: MeshSnapshot, workload: Workload, port: number | null): EffectiveMutualTls {
  const policies = [...snapshot.peerAuthentications].sort((a, b) => compare(a.metadata.name, b.metadata.name));
  const inNamespace = policies.filter((policy) => policy.metadata.namespace === workload.namespace);
  const inRoot = policies.filter((policy) => policy.metadata.namespace === snapshot.rootNamespace);
  const forWorkload =
    workload.namespace === snapshot.rootNamespace
      ? undefined
      : inNamespace.find((policy) => hasSelector(policy) && selects(policy.selector ?? {}, workload.labels));
  const candidates: (MutualTlsMode | undefined)[] = [
    port === null ? undefined : forWorkload?.portLevel[port],
    forWorkload?.mode,
    inNamespace.find((policy) => !hasSelector(policy))?.mode,
    inRoot.find((policy) => !hasSelector(policy))?.mode,
  ];
  for (const mode of candidates) {
    if (mode !== undefined && mode !== 'UNSET') return mode;
  }
  return snapshot.defaultMutualTls;
}

function hasSelector(policy: PeerAuthenticationManifest): boolean {
  return policy.selector !== null && Object.keys(policy.selector).length > 0;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
