import type { LabelSelector } from '../manifests/types.ts';
import type { LabelSet } from './labels.ts';
import { namespaceKey, namespaceLabelsPrefix } from './labels.ts';
import type { EndpointSelector, LabelRequirement } from './types.ts';

/** Where a label without a source in its selector may come from. */
const sources = ['k8s', 'reserved', 'node', 'cidr', 'fqdn'];

/** Whether labels satisfy one requirement. A label that is not there satisfies NotIn, as in Kubernetes. */
export function matchesRequirement(labels: LabelSet, { source, key, operator, values }: LabelRequirement): boolean {
  const value = source === 'any' ? anyOf(labels, key) : labels.get(`${source}:${key}`);
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
  }
}

function anyOf(labels: LabelSet, key: string): string | undefined {
  for (const source of sources) {
    const value = labels.get(`${source}:${key}`);
    if (value !== undefined) return value;
  }
  return undefined;
}

/** Whether labels satisfy every requirement; a selector without any selects everything. */
export function matchesSelector(labels: LabelSet, selector: EndpointSelector): boolean {
  return selector.every((requirement) => matchesRequirement(labels, requirement));
}

/** Requirements of a selector of Kubernetes on labels of one source; `prefix` goes before each key. */
export function requirementsOf(selector: LabelSelector, source: string, prefix = ''): LabelRequirement[] {
  const exact = Object.entries(selector.matchLabels).map(
    ([key, value]): LabelRequirement => ({ source, key: prefix + key, operator: 'In', values: [value] }),
  );
  const expressions = selector.matchExpressions.map(
    ({ key, operator, values }): LabelRequirement => ({ source, key: prefix + key, operator, values }),
  );
  return [...exact, ...expressions];
}

/** Requirements on the labels of a pod's namespace. */
export function namespaceRequirements(selector: LabelSelector): LabelRequirement[] {
  return requirementsOf(selector, 'k8s', namespaceLabelsPrefix);
}

export const inNamespace = (namespace: string): LabelRequirement => ({
  source: 'k8s',
  key: namespaceKey,
  operator: 'In',
  values: [namespace],
});

/** Every pod, and nothing else. */
export const isPod: LabelRequirement = { source: 'k8s', key: namespaceKey, operator: 'Exists', values: [] };

/** Something that carries a reserved label: `host`, `world`. */
export const isReserved = (name: string): LabelRequirement => ({ source: 'reserved', key: name, operator: 'Exists', values: [] });

/** Requirements of a selector of Cilium: a key may have its source before a colon. Nothing is added for the namespace. */
export function ciliumRequirements(selector: LabelSelector): LabelRequirement[] {
  return requirementsOf(selector, 'any').map((requirement) => {
    const colon = requirement.key.indexOf(':');
    const source = colon < 0 ? '' : requirement.key.slice(0, colon);
    const key = requirement.key.slice(colon + 1);
    return { ...requirement, source: source === '' ? 'any' : source, key };
  });
}

/** A key that is equal where two selectors are. */
export function selectorKey(selector: EndpointSelector): string {
  return selector
    .map(({ source, key, operator, values }) => JSON.stringify([source, key, operator, [...values].sort()]))
    .sort()
    .join();
}
