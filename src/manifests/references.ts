import { policySelects, serviceSelects } from './selectors.ts';
import type {
  AuthorizationPolicyManifest,
  DeploymentManifest,
  Manifest,
  ManifestWarning,
  PeerAuthenticationManifest,
  PodManifest,
  PodSpec,
  ServiceManifest,
} from './types.ts';

export interface ReferenceOptions {
  /** Policies here select workloads of every namespace; `istio-system` unless told. */
  readonly rootNamespace?: string;
}

/** What a Pod or a Deployment's template will run. */
interface Runnable {
  readonly owner: PodManifest | DeploymentManifest;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly spec: PodSpec;
}

/** Every cluster has these without a manifest. */
const builtInNamespaces: readonly string[] = ['default', 'kube-system', 'kube-public', 'kube-node-lease'];

/**
 * Warnings about objects that name others which are not among `manifests`: give the whole set, what runs already and what is applied.
 * Nothing here is an error, because the other object may come later.
 */
export function checkReferences(manifests: readonly Manifest[], options: ReferenceOptions = {}): readonly ManifestWarning[] {
  const rootNamespace = options.rootNamespace ?? 'istio-system';
  const runnables = manifests.flatMap(toRunnable);
  const declared = new Set([...builtInNamespaces, rootNamespace]);
  const accounts = new Set<string>();
  for (const { kind, metadata } of manifests) {
    if (kind === 'Namespace') declared.add(metadata.name);
    if (kind === 'ServiceAccount') accounts.add(`${metadata.namespace}/${metadata.name}`);
  }
  return [
    ...undeclaredNamespaces(runnables, declared),
    ...runnables.flatMap((runnable) => unknownAccount(runnable, accounts)),
    ...manifests.flatMap((manifest): readonly ManifestWarning[] => {
      if (manifest.kind === 'Service') return checkService(manifest, runnables);
      if (manifest.kind === 'AuthorizationPolicy' || manifest.kind === 'PeerAuthentication')
        return checkPolicy(manifest, runnables, rootNamespace);
      return [];
    }),
  ];
}

function toRunnable(manifest: Manifest): Runnable[] {
  const { namespace } = manifest.metadata;
  if (manifest.kind === 'Pod') return [{ owner: manifest, namespace, labels: manifest.metadata.labels, spec: manifest.spec }];
  if (manifest.kind === 'Deployment')
    return [{ owner: manifest, namespace, labels: manifest.template.labels, spec: manifest.template.spec }];
  return [];
}

function describe(manifest: Manifest): string {
  return `${manifest.kind} ${manifest.metadata.namespace}/${manifest.metadata.name}`;
}

function undeclaredNamespaces(runnables: readonly Runnable[], declared: ReadonlySet<string>): ManifestWarning[] {
  const reported = new Set<string>();
  const warnings: ManifestWarning[] = [];
  for (const { namespace, owner } of runnables) {
    if (declared.has(namespace) || reported.has(namespace)) continue;
    reported.add(namespace);
    warnings.push({
      message: `Namespace ${namespace} of ${describe(owner)} is not declared: it is created without labels, so its pods get no sidecar by it`,
      position: owner.position,
    });
  }
  return warnings;
}

function unknownAccount({ owner, namespace, spec }: Runnable, accounts: ReadonlySet<string>): ManifestWarning[] {
  const name = spec.serviceAccountName;
  // Kubernetes makes `default` with each namespace.
  if (name === 'default' || accounts.has(`${namespace}/${name}`)) return [];
  return [{ message: `ServiceAccount ${namespace}/${name} of ${describe(owner)} is not declared`, position: owner.position }];
}

function checkService(service: ServiceManifest, runnables: readonly Runnable[]): ManifestWarning[] {
  const { position } = service;
  if (Object.keys(service.selector).length === 0) {
    return [{ message: `${describe(service)} has no selector, so it has no endpoints`, position }];
  }
  const selected = runnables.filter(
    ({ namespace, labels }) => namespace === service.metadata.namespace && serviceSelects(service.selector, labels),
  );
  if (selected.length === 0) return [{ message: `${describe(service)} selects no pod`, position }];
  const named = new Set(selected.flatMap(({ spec }) => spec.containers.flatMap(({ ports }) => ports.map(({ name }) => name))));
  return service.ports
    .filter(({ targetPort }) => typeof targetPort === 'string' && !named.has(targetPort))
    .map(({ targetPort }) => ({
      message: `${describe(service)} has targetPort ${targetPort}, which no container of its pods names`,
      position,
    }));
}

function checkPolicy(
  policy: AuthorizationPolicyManifest | PeerAuthenticationManifest,
  runnables: readonly Runnable[],
  rootNamespace: string,
): ManifestWarning[] {
  const { namespace } = policy.metadata;
  const inScope = runnables.filter((runnable) => namespace === rootNamespace || runnable.namespace === namespace);
  if (inScope.some(({ labels }) => policySelects(policy.selector, labels))) return [];
  return [{ message: `${describe(policy)} selects no pod`, position: policy.position }];
}
