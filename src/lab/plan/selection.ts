import { UserError } from '../../base/errors.ts';

/** What a POD argument of `lab exec` and `lab logs` means. */
export type PodReference =
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'full'; readonly namespace: string; readonly name: string }
  | { readonly kind: 'deployment'; readonly name: string }
  | { readonly kind: 'label'; readonly key: string; readonly value: string };

/** What selection needs to know of a pod. */
export interface SelectablePod {
  readonly namespace: string;
  readonly name: string;
  readonly owner: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly ready: boolean;
  readonly terminating: boolean;
}

/** `NAME`, `pod/NAME`, `NAMESPACE/NAME`, `deploy/NAME`, `KEY=VALUE`. */
export function parsePodReference(text: string): PodReference {
  const equals = text.indexOf('=');
  if (equals > 0) return { kind: 'label', key: text.slice(0, equals), value: text.slice(equals + 1) };
  const slash = text.indexOf('/');
  if (slash > 0 && slash < text.length - 1) {
    const head = text.slice(0, slash);
    const name = text.slice(slash + 1);
    if (['deploy', 'deployment', 'deployments', 'deployment.apps'].includes(head)) return { kind: 'deployment', name };
    if (['pod', 'pods', 'po'].includes(head)) return { kind: 'name', name };
    return { kind: 'full', namespace: head, name };
  }
  if (text === '' || slash >= 0) {
    throw new UserError('USAGE', `Cannot tell which pod is meant because the reference has an empty part: '${text}'`, {
      cure: 'Write NAME, NAMESPACE/NAME, deploy/NAME or app=VALUE.',
      exitCode: 2,
    });
  }
  return { kind: 'name', name: text };
}

/**
 * The pod that is meant: among several of a Deployment or a label the first ready one by name, as kubectl does. A bare name that no pod
 * has may be that of an owner, so `sleep` finds `sleep-7c9f5d6b4-x2k9q`.
 * @param namespace only pods of this namespace; null: of all
 * @param instance the lab that they are of, for the failure's words
 * @throws UserError POD_UNKNOWN when none or, for a name, several in different namespaces match
 */
export function selectPod<P extends SelectablePod>(
  pods: readonly P[],
  reference: PodReference,
  namespace: string | null,
  instance: string,
): P {
  const inScope = namespace === null || reference.kind === 'full' ? pods : pods.filter((pod) => pod.namespace === namespace);
  const exact = candidates(inScope, reference);
  const found = exact.length === 0 && reference.kind === 'name' ? inScope.filter((pod) => pod.owner === reference.name) : exact;
  const ranked = [...found].sort((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1));
  const best = ranked[0];
  if (best === undefined) {
    const names = inScope.map((pod) => `${pod.namespace}/${pod.name}`).join(', ');
    throw new UserError('POD_UNKNOWN', `Cannot find a pod because none matches: '${describe(reference)}'`, {
      cure: names === '' ? 'The lab has no pods; apply a manifest.' : `Pods are: ${names}.`,
      command: `millrace lab status --instance ${instance}`,
    });
  }
  const spaces = new Set(ranked.map((pod) => pod.namespace));
  if (spaces.size > 1) {
    throw new UserError(
      'POD_UNKNOWN',
      `Cannot choose a pod because several namespaces have a match for '${describe(reference)}': ${[...spaces].join(', ')}`,
      {
        cure: 'Write NAMESPACE/NAME, or give --namespace.',
      },
    );
  }
  return best;
}

function candidates<P extends SelectablePod>(pods: readonly P[], reference: PodReference): readonly P[] {
  switch (reference.kind) {
    case 'name':
      return pods.filter((pod) => pod.name === reference.name);
    case 'full':
      return pods.filter((pod) => pod.namespace === reference.namespace && (pod.name === reference.name || pod.owner === reference.name));
    case 'deployment':
      return pods.filter((pod) => pod.owner === reference.name && pod.name !== reference.name);
    case 'label':
      return pods.filter((pod) => pod.labels[reference.key] === reference.value);
  }
}

function rank(pod: SelectablePod): number {
  if (pod.terminating) return 2;
  return pod.ready ? 0 : 1;
}

function describe(reference: PodReference): string {
  switch (reference.kind) {
    case 'name':
      return reference.name;
    case 'full':
      return `${reference.namespace}/${reference.name}`;
    case 'deployment':
      return `deploy/${reference.name}`;
    case 'label':
      return `${reference.key}=${reference.value}`;
  }
}
