import type { NamespaceManifest } from '../../manifests/types.ts';

/** What injection depends on. */
export interface InjectionInput {
  /** null: the namespace has no manifest of its own. */
  readonly namespace: NamespaceManifest | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

const key = 'sidecar.istio.io/inject';

/**
 * Whether a pod gets a sidecar, by Istio's rules: a namespace labelled `istio-injection=disabled` never; else the pod's label, then its
 * annotation, then the namespace's label (`istio-injection=enabled` or a revision) decide; else no.
 */
export function isInjected({ namespace, labels, annotations }: InjectionInput): boolean {
  const ofNamespace = namespace?.metadata.labels['istio-injection'];
  if (ofNamespace === 'disabled') return false;
  const ofPod = labels[key] ?? annotations[key];
  if (ofPod === 'false') return false;
  if (ofPod === 'true') return true;
  return ofNamespace === 'enabled' || (ofNamespace === undefined && (namespace?.metadata.labels['istio.io/rev'] ?? '') !== '');
}
