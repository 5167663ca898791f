import type { Configuration, ConfigurationKind, MutualTls } from './types.ts';

/** Labs that stand side by side; each is a node of its own. */
export const worldNames = ['plain', 'policy', 'iptables', 'ebpf', 'accelerated'] as const;
export type WorldName = (typeof worldNames)[number];

/** Ports of the servers in every pod. */
export const httpPort = 8080;
export const streamPort = 9000;
/** Of the services in front of them. */
export const servicePort = 80;

/** A client, a server and a receiver of streams for one configuration. */
export interface PairPlan {
  readonly configuration: Configuration;
  readonly world: WorldName;
  readonly namespace: string;
  /** null: no proxy takes part, so it stands for both. */
  readonly mtls: MutualTls | null;
  /** Whether the pods have sidecars. */
  readonly meshed: boolean;
  /** Whether connections go past the sidecars. */
  readonly direct: boolean;
}

const worldOf: Readonly<Record<ConfigurationKind, WorldName>> = {
  none: 'plain',
  policy: 'policy',
  iptables: 'iptables',
  ebpf: 'ebpf',
  'proxies+accelerate': 'accelerated',
  'ebpf+accelerate': 'accelerated',
  'direct+accelerate': 'accelerated',
};

/** The pairs that configurations need. */
export function pairsOf(configurations: readonly Configuration[], mtls: readonly MutualTls[]): readonly PairPlan[] {
  return configurations.flatMap((configuration): readonly PairPlan[] => {
    const { kind, rules } = configuration;
    const world = worldOf[kind];
    const name = kind.replace(/[^a-z]/g, '-');
    switch (kind) {
      case 'none':
      case 'policy':
        return [{ configuration, world, namespace: rules === null ? name : `${name}-${rules}`, mtls: null, meshed: false, direct: false }];
      case 'direct+accelerate':
        return [{ configuration, world, namespace: name, mtls: null, meshed: true, direct: true }];
      default:
        return mtls.map((mode) => ({ configuration, world, namespace: `${name}-${mode}`, mtls: mode, meshed: true, direct: false }));
    }
  });
}

/** Whether what the client sends goes through its sidecar. */
export function isProxied({ meshed, direct }: PairPlan): boolean {
  return meshed && !direct;
}

/** The manifests of pairs that stand in one world, as the documents of a YAML file (JSON is YAML). */
export function manifestsOf(pairs: readonly PairPlan[], options: { readonly clientImage: string; readonly streams: boolean }): string {
  return pairs
    .flatMap((pair) => [namespaceOf(pair), ...authentication(pair), ...podsOf(pair, options), ...servicesOf(pair), ...policiesOf(pair)])
    .map((document) => JSON.stringify(document))
    .join('\n---\n');
}

function namespaceOf({ namespace, meshed }: PairPlan): object {
  return {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: namespace, labels: { 'istio-injection': meshed ? 'enabled' : 'disabled' } },
  };
}

function authentication({ namespace, mtls }: PairPlan): readonly object[] {
  if (mtls === null) return [];
  const mode = mtls === 'on' ? 'STRICT' : 'DISABLE';
  return [
    { apiVersion: 'security.istio.io/v1', kind: 'PeerAuthentication', metadata: { name: 'default', namespace }, spec: { mtls: { mode } } },
  ];
}

function podsOf(plan: PairPlan, { clientImage, streams }: { readonly clientImage: string; readonly streams: boolean }): readonly object[] {
  const { namespace } = plan;
  const pod = (name: string, image: string, annotations: Readonly<Record<string, string>>, containerPorts: readonly number[]): object => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels: { app: name }, annotations },
    spec: {
      terminationGracePeriodSeconds: 0,
      // Our own servers and clients come into the same namespace and cgroup; the container only holds the place.
      containers: [
        { name: 'app', image, command: ['sleep', 'infinity'], ports: containerPorts.map((containerPort) => ({ containerPort })) },
      ],
    },
  });
  const annotations = annotationsOf(plan);
  return [
    pod('client', clientImage, annotations, []),
    pod('server', 'millrace.io/host', annotations, [httpPort, streamPort]),
    ...(streams && isProxied(plan)
      ? [pod('sink', 'millrace.io/host', { ...annotations, 'sidecar.istio.io/inject': 'false' }, [streamPort])]
      : []),
  ];
}

/** Applications take part in acceleration where their owner says so; ours read as they should. */
function annotationsOf({ configuration: { kind }, direct }: PairPlan): Readonly<Record<string, string>> {
  const ports = `${httpPort},${streamPort}`;
  const past = { 'traffic.sidecar.istio.io/excludeOutboundPorts': ports, 'traffic.sidecar.istio.io/excludeInboundPorts': ports };
  const joins = kind === 'ebpf+accelerate' || kind === 'direct+accelerate';
  return { ...(direct ? past : {}), ...(joins ? { 'millrace.io/accelerate': 'true' } : {}) };
}

function servicesOf({ namespace }: PairPlan): readonly object[] {
  const service = (name: string, port: object): object => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace },
    spec: { selector: { app: name }, ports: [port] },
  });
  return [
    service('server', { name: 'http', port: servicePort, targetPort: httpPort }),
    service('sink', { name: 'tcp', port: streamPort, targetPort: streamPort }),
  ];
}

/** A policy of this many rules and no more, so that no document gets too large. */
const rulesOfPolicy = 500;

/** Policies that select the server: one rule lets the client in, all others are for peers that never come. */
function policiesOf({ namespace, configuration: { rules } }: PairPlan): readonly object[] {
  if (rules === null) return [];
  const ports = [httpPort, streamPort].map((port) => ({ port: String(port), protocol: 'TCP' }));
  const all = Array.from({ length: rules }, (_, index) =>
    index === 0
      ? { fromEndpoints: [{ matchLabels: { app: 'client' } }], toPorts: [{ ports }] }
      : { fromCIDR: [strangerOf(index)], toPorts: [{ ports }] },
  );
  return Array.from({ length: Math.ceil(rules / rulesOfPolicy) }, (_, index) => ({
    apiVersion: 'cilium.io/v2',
    kind: 'CiliumNetworkPolicy',
    metadata: { name: `rules-${index}`, namespace },
    spec: { endpointSelector: { matchLabels: { app: 'server' } }, ingress: all.slice(index * rulesOfPolicy, (index + 1) * rulesOfPolicy) },
  }));
}

/** An address of 198.18.0.0/15, which is for benchmarks (RFC 2544): there are 131,072. */
function strangerOf(index: number): string {
  return `198.${18 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}/32`;
}
