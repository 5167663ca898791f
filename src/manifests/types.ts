import type { SourcePosition } from '../base/errors.ts';
import type { LabelSelector } from './label-selector.ts';
import type { CiliumPolicyBody, ClusterPolicyBody, NetworkPolicyBody } from './policy-types.ts';

export type { LabelSelector };

/**
 * The Kubernetes objects that Millrace reads, after validation and defaulting: what is optional in YAML and has a default is
 * required here; `null` means "not given" where the difference matters. Pure data; parse.ts makes them.
 */
export interface ObjectMeta {
  readonly name: string;
  /** Always set: namespaced kinds get the default namespace; cluster-wide kinds (Namespace) have ''. */
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

interface Base {
  readonly metadata: ObjectMeta;
  readonly position: SourcePosition;
}

export interface NamespaceManifest extends Base {
  readonly kind: 'Namespace';
}

export interface ServiceAccountManifest extends Base {
  readonly kind: 'ServiceAccount';
}

export interface ContainerPort {
  readonly name: string | null;
  readonly containerPort: number;
  readonly protocol: 'TCP' | 'UDP' | 'SCTP';
}

export type ProbeAction =
  | { readonly kind: 'httpGet'; readonly path: string; readonly port: number | string; readonly scheme: 'HTTP' | 'HTTPS' }
  | { readonly kind: 'tcpSocket'; readonly port: number | string }
  | { readonly kind: 'exec'; readonly command: readonly string[] };

/** Seconds and counts as in Kubernetes, with its defaults filled in. */
export interface Probe {
  readonly action: ProbeAction;
  readonly initialDelaySeconds: number;
  readonly periodSeconds: number;
  readonly timeoutSeconds: number;
  readonly successThreshold: number;
  readonly failureThreshold: number;
}

export interface Container {
  readonly name: string;
  readonly image: string;
  /** Replaces the image's entry point; null: keep it. */
  readonly command: readonly string[] | null;
  readonly args: readonly string[] | null;
  readonly env: readonly { readonly name: string; readonly value: string }[];
  readonly ports: readonly ContainerPort[];
  readonly workingDir: string | null;
  readonly runAsUser: number | null;
  readonly runAsGroup: number | null;
  readonly readinessProbe: Probe | null;
  readonly livenessProbe: Probe | null;
  readonly position: SourcePosition;
}

export interface PodSpec {
  readonly serviceAccountName: string;
  readonly containers: readonly Container[];
  readonly restartPolicy: 'Always' | 'OnFailure' | 'Never';
  readonly terminationGracePeriodSeconds: number;
  readonly hostname: string | null;
}

export interface PodManifest extends Base {
  readonly kind: 'Pod';
  readonly spec: PodSpec;
}

export interface DeploymentManifest extends Base {
  readonly kind: 'Deployment';
  readonly replicas: number;
  readonly selector: LabelSelector;
  readonly template: {
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations: Readonly<Record<string, string>>;
    readonly spec: PodSpec;
  };
}

export interface ServicePort {
  readonly name: string | null;
  readonly port: number;
  /** A number, or the name of a container port. Defaults to `port`. */
  readonly targetPort: number | string;
  readonly protocol: 'TCP' | 'UDP' | 'SCTP';
  readonly appProtocol: string | null;
}

export interface ServiceManifest extends Base {
  readonly kind: 'Service';
  readonly type: 'ClusterIP' | 'NodePort' | 'LoadBalancer';
  /** null: to be allocated; 'None': headless. */
  readonly clusterIP: string | null;
  readonly selector: Readonly<Record<string, string>>;
  /** sessionAffinity: ClientIP; seconds for which a client keeps its backend; 0: None. */
  readonly affinitySeconds: number;
  readonly ports: readonly ServicePort[];
}

/** One `from` entry of an AuthorizationPolicy rule. An absent list is `[]`: it constrains nothing. */
export interface AuthorizationSource {
  readonly principals: readonly string[];
  readonly notPrincipals: readonly string[];
  readonly requestPrincipals: readonly string[];
  readonly notRequestPrincipals: readonly string[];
  readonly namespaces: readonly string[];
  readonly notNamespaces: readonly string[];
  readonly serviceAccounts: readonly string[];
  readonly notServiceAccounts: readonly string[];
  readonly ipBlocks: readonly string[];
  readonly notIpBlocks: readonly string[];
  readonly remoteIpBlocks: readonly string[];
  readonly notRemoteIpBlocks: readonly string[];
}

export interface AuthorizationOperation {
  readonly hosts: readonly string[];
  readonly notHosts: readonly string[];
  readonly ports: readonly string[];
  readonly notPorts: readonly string[];
  readonly methods: readonly string[];
  readonly notMethods: readonly string[];
  readonly paths: readonly string[];
  readonly notPaths: readonly string[];
}

export interface AuthorizationCondition {
  readonly key: string;
  readonly values: readonly string[];
  readonly notValues: readonly string[];
}

/** An empty rule (`- {}`) has three empty lists and matches every request. */
export interface AuthorizationRule {
  readonly from: readonly AuthorizationSource[];
  readonly to: readonly AuthorizationOperation[];
  readonly when: readonly AuthorizationCondition[];
}

export interface AuthorizationPolicyManifest extends Base {
  readonly kind: 'AuthorizationPolicy';
  /** null: no selector, the policy is for every workload of its namespace (of the mesh in the root namespace). */
  readonly selector: Readonly<Record<string, string>> | null;
  readonly action: 'ALLOW' | 'DENY' | 'AUDIT';
  /** An absent or empty `rules` is []: the policy matches no request (ALLOW with it denies everything). */
  readonly rules: readonly AuthorizationRule[];
}

export type MutualTlsMode = 'UNSET' | 'DISABLE' | 'PERMISSIVE' | 'STRICT';

export interface PeerAuthenticationManifest extends Base {
  readonly kind: 'PeerAuthentication';
  readonly selector: Readonly<Record<string, string>> | null;
  readonly mode: MutualTlsMode;
  /** By workload (container) port. */
  readonly portLevel: Readonly<Record<number, MutualTlsMode>>;
}

export interface CiliumPolicyManifest extends Base, CiliumPolicyBody {
  readonly kind: 'CiliumNetworkPolicy' | 'CiliumClusterwideNetworkPolicy';
}

export interface NetworkPolicyManifest extends Base, NetworkPolicyBody {
  readonly kind: 'NetworkPolicy';
}

export interface ClusterNetworkPolicyManifest extends Base, ClusterPolicyBody {
  readonly kind: 'ClusterNetworkPolicy';
}

/** The kinds that say who may speak with whom; src/policy compiles them. */
export type PolicyManifest = CiliumPolicyManifest | NetworkPolicyManifest | ClusterNetworkPolicyManifest;

export type Manifest =
  | NamespaceManifest
  | ServiceAccountManifest
  | PodManifest
  | DeploymentManifest
  | ServiceManifest
  | AuthorizationPolicyManifest
  | PeerAuthenticationManifest
  | PolicyManifest;

export type ManifestKind = Manifest['kind'];

export interface ManifestWarning {
  readonly message: string;
  readonly position: SourcePosition | null;
}
