import type { PodTemplate } from './templates.ts';

/** What planning needs to know of a pod that exists. */
export interface ExistingPod {
  readonly namespace: string;
  readonly name: string;
  readonly owner: string;
  readonly ownerKind: 'Deployment' | 'Pod';
  readonly hash: string;
  readonly ready: boolean;
  readonly terminating: boolean;
  /** Grows with every pod made. */
  readonly sequence: number;
}

export type RolloutAction =
  | { readonly kind: 'create'; readonly template: PodTemplate }
  | { readonly kind: 'remove'; readonly namespace: string; readonly name: string; readonly reason: 'unwanted' | 'outdated' | 'surplus' };

/**
 * What to do now so that the pods become what the templates ask for. Called again after every change, until it returns nothing.
 * A Deployment's new pods are all started at once; an old one goes for every new one that is ready, so that a bad template leaves the
 * old pods serving. A bare Pod keeps its name, so its old self has to be gone first.
 */
export function planRollout(templates: readonly PodTemplate[], existing: readonly ExistingPod[]): readonly RolloutAction[] {
  const actions: RolloutAction[] = [];
  const wanted = new Set(templates.map(ownerKey));
  for (const pod of existing) {
    if (!pod.terminating && !wanted.has(ownerKey(pod))) actions.push(remove(pod, 'unwanted'));
  }
  for (const template of templates) {
    const mine = existing.filter((pod) => ownerKey(pod) === ownerKey(template));
    actions.push(...(template.ownerKind === 'Pod' ? planPod(template, mine) : planDeployment(template, mine)));
  }
  return actions;
}

function planPod(template: PodTemplate, mine: readonly ExistingPod[]): readonly RolloutAction[] {
  if (mine.length === 0) return [{ kind: 'create', template }];
  return mine.filter((pod) => !pod.terminating && pod.hash !== template.hash).map((pod) => remove(pod, 'outdated'));
}

function planDeployment(template: PodTemplate, mine: readonly ExistingPod[]): readonly RolloutAction[] {
  const live = mine.filter((pod) => !pod.terminating);
  const current = live.filter((pod) => pod.hash === template.hash);
  const outdated = live.filter((pod) => pod.hash !== template.hash);
  const actions: RolloutAction[] = [];
  for (let count = current.length; count < template.replicas; count += 1) actions.push({ kind: 'create', template });
  const surplus = [...current].sort(leastUsefulFirst).slice(0, Math.max(0, current.length - template.replicas));
  actions.push(...surplus.map((pod) => remove(pod, 'surplus')));
  const readyNew = Math.min(current.filter((pod) => pod.ready).length, template.replicas);
  const oldToKeep = Math.max(0, template.replicas - readyNew);
  const leaving = [...outdated].sort(leastUsefulFirst).slice(0, Math.max(0, outdated.length - oldToKeep));
  actions.push(...leaving.map((pod) => remove(pod, 'outdated')));
  return actions;
}

/** Pods that do not serve go first, then the youngest. */
function leastUsefulFirst(a: ExistingPod, b: ExistingPod): number {
  return Number(a.ready) - Number(b.ready) || b.sequence - a.sequence;
}

function remove(pod: ExistingPod, reason: 'unwanted' | 'outdated' | 'surplus'): RolloutAction {
  return { kind: 'remove', namespace: pod.namespace, name: pod.name, reason };
}

function ownerKey(item: { readonly ownerKind: string; readonly namespace: string; readonly owner: string }): string {
  return `${item.ownerKind}/${item.namespace}/${item.owner}`;
}
