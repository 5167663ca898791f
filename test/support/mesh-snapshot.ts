import type { MutualTlsMode, PeerAuthenticationManifest } from '../../src/manifests/types.ts';
import type { MeshSnapshot, Workload } from '../../src/mesh/model.ts';

/** A ready, injected pod of namespace `demo` whose account, owner and `app` label are its name. */
export function workload(name: string, rest: Partial<Workload> = {}): Workload {
  return {
    name,
    namespace: 'demo',
    serviceAccount: name,
    labels: { app: name },
    annotations: {},
    owner: name,
    addresses: ['10.9.0.2'],
    ports: [],
    injected: true,
    ready: true,
    ...rest,
  };
}

/** A mesh of nothing, STRICT by default, with what is given. */
export function meshSnapshot(rest: Partial<MeshSnapshot> = {}): MeshSnapshot {
  return {
    trustDomain: 'cluster.local',
    clusterDomain: 'cluster.local',
    rootNamespace: 'istio-system',
    workloads: [],
    services: [],
    authorizationPolicies: [],
    peerAuthentications: [],
    defaultMutualTls: 'STRICT',
    ...rest,
  };
}

/** A PeerAuthentication, for the whole namespace `demo` unless told. */
export function peerAuthentication(
  mode: MutualTlsMode,
  rest: {
    readonly name?: string;
    readonly namespace?: string;
    readonly selector?: Readonly<Record<string, string>>;
    readonly portLevel?: Readonly<Record<number, MutualTlsMode>>;
  } = {},
): PeerAuthenticationManifest {
  return {
    kind: 'PeerAuthentication',
    metadata: { name: rest.name ?? 'default', namespace: rest.namespace ?? 'demo', labels: {}, annotations: {} },
    position: { file: 'peer.yaml', line: 1, column: 1 },
    selector: rest.selector ?? null,
    mode,
    portLevel: rest.portLevel ?? {},
  };
}
