import type { PolicyNamespace, PolicyPod } from './types.ts';

/** Labels of an identity: `source:key` → value. */
export type LabelSet = ReadonlyMap<string, string>;

export const namespaceKey = 'io.kubernetes.pod.namespace';
export const namespaceLabelsPrefix = 'io.cilium.k8s.namespace.labels.';
const serviceAccountKey = 'io.cilium.k8s.policy.serviceaccount';
const clusterKey = 'io.cilium.k8s.policy.cluster';
const podNamespaceLabel = `k8s:${namespaceKey}`;
const podServiceAccountLabel = `k8s:${serviceAccountKey}`;
const podClusterLabel = `k8s:${clusterKey}`;
const namespaceNameLabel = `k8s:${namespaceLabelsPrefix}kubernetes.io/metadata.name`;
/** The name that Cilium gives a cluster that has none. */
export const clusterName = 'default';

/** Cilium's default filter: which keys of a pod make up its identity. Source: contract 1.1 (`pkg/labelsfilter`). */
const included = [
  /^io\.kubernetes\.pod\.namespace/,
  /^io\.cilium\.k8s\.namespace\.labels/,
  /^app\.kubernetes\.io/,
  /^io\.cilium\.k8s\.policy\.(cluster|serviceaccount)/,
];
const excluded = [
  /^io\.kubernetes/,
  /^kubernetes\.io/,
  /^statefulset\.kubernetes\.io\/pod-name/,
  /^apps\.kubernetes\.io\/pod-index/,
  /^batch\.kubernetes\.io\/(job-completion-index|controller-uid|job-name)/,
  /^.*beta\.kubernetes\.io/,
  /^k8s\.io/,
  /^topology\.kubernetes\.io/,
  /^pod-template-(generation|hash)/,
  /^controller-(revision-hash|uid)/,
  /^annotation.*/,
  /^etcd_node/,
];

/** The longest including match must be longer than the shortest excluding one. */
function judge(key: string): boolean {
  let shortest = 0;
  for (const pattern of excluded) {
    const length = pattern.exec(key)?.[0].length ?? 0;
    if (length > 0 && (shortest === 0 || length < shortest)) shortest = length;
  }
  if (shortest === 0) return true;
  return included.some((pattern) => (pattern.exec(key)?.[0].length ?? 0) > shortest);
}

/**
 * The labels that selectors see on a pod. `named` are keys that some policy's selector names: they count though the filter leaves them out, because
 * a selector that is silently never true is worse than an identity more. Keys of Cilium's own on the pod itself are dropped: a pod must not give
 * itself another namespace.
 */
export function podLabels(pod: PolicyPod, namespace: PolicyNamespace | undefined, named: ReadonlySet<string>): LabelSet {
  const labels = new Map<string, string>();
  for (const [key, value] of Object.entries(pod.labels)) {
    if (key.startsWith('io.cilium.k8s.') || key.startsWith('io.kubernetes.')) continue;
    if (isIdentityLabel(key) || named.has(key)) labels.set(shared(`k8s:${key}`), value);
  }
  labels.set(namespaceNameLabel, pod.namespace);
  for (const [key, value] of Object.entries(namespace?.labels ?? {})) labels.set(shared(`k8s:${namespaceLabelsPrefix}${key}`), value);
  labels.set(podNamespaceLabel, pod.namespace);
  labels.set(podServiceAccountLabel, pod.serviceAccount);
  labels.set(podClusterLabel, clusterName);
  return labels;
}

/** Identities are many, and most of their labels are those of others too: each text is kept once. */
const texts = new Map<string, string>();

function shared(text: string): string {
  const known = texts.get(text);
  if (known !== undefined) return known;
  if (texts.size > 10_000) texts.clear();
  texts.set(text, text);
  return text;
}

/** The filter is a dozen expressions and keys are few: each is judged once. */
const judged = new Map<string, boolean>();

/** Whether a label with this key tells pods apart. */
export function isIdentityLabel(key: string): boolean {
  let kept = judged.get(key);
  if (kept === undefined) {
    if (judged.size > 10_000) judged.clear();
    kept = judge(key);
    judged.set(key, kept);
  }
  return kept;
}

/** Labels as Cilium prints them, sorted: `k8s:app=sleep`, `reserved:host`. */
export function formatLabels(labels: LabelSet): string[] {
  const list: string[] = [];
  for (const [key, value] of labels) list.push(value === '' ? key : shared([key, value].join('=')));
  // without the room to grow
  return list.sort().slice();
}

/** The label of a range as Cilium writes it: label keys have no colons, so IPv6 has `-` and no empty part at its ends. */
export function cidrLabel(text: string): string {
  const plain = text.replaceAll(':', '-');
  return `cidr:${plain.startsWith('-') ? '0' : ''}${plain.replace('-/', '-0/')}`;
}
