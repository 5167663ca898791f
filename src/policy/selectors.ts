import type { LabelSelector } from '../manifests/types.ts';
import type { LabelSet } from './labels.ts';
import { namespaceKey, namespaceLabelsPrefix } from './labels.ts';
import type { EndpointSelector, LabelRequirement } from './types.ts';

/** Where a label without a source in its selector may come from. */
const sources = ['k8s', 'reserved', 'node', 'cidr', 'fqdn'];

/** Whether labels satisfy every requirement; a selector without any selects everything. */
export function matchesSelector(labels: LabelSet, selector: EndpointSelector): boolean {
  return compileSelector(selector)(labels);
}

/** A selector as a function that is asked often. A label that is not there satisfies NotIn, as in Kubernetes. */
export function compileSelector(selector: EndpointSelector): (labels: LabelSet) => boolean {
  const tests = selector.map(compileRequirement);
  return (labels) => tests.every((test) => test(labels));
}

/** Selectors are many and keys are few: the texts are shared. */
const keysKnown = new Map<string, readonly string[]>();

function fullKeys(source: string, key: string): readonly string[] {
  const name = `${source}:${key}`;
  let keys = keysKnown.get(name);
  if (keys === undefined) {
    if (keysKnown.size > 10_000) keysKnown.clear();
    keys = source === 'any' ? sources.map((one) => `${one}:${key}`) : [name];
    keysKnown.set(name, keys);
  }
  return keys;
}

function compileRequirement({ source, key, operator, values }: LabelRequirement): (labels: LabelSet) => boolean {
  const keys = fullKeys(source, key);
  const valueIn = (labels: LabelSet): string | undefined => {
    for (const full of keys) {
      const value = labels.get(full);
      if (value !== undefined) return value;
    }
    return undefined;
  };
  switch (operator) {
    case 'In':
      return (labels) => {
        const value = valueIn(labels);
        return value !== undefined && values.includes(value);
      };
    case 'NotIn':
      return (labels) => {
        const value = valueIn(labels);
        return value === undefined || !values.includes(value);
      };
    case 'Exists':
      return (labels) => valueIn(labels) !== undefined;
    case 'DoesNotExist':
      return (labels) => valueIn(labels) === undefined;
  }
}

/** Requirements of a selector of Kubernetes on labels of one source; `prefix` goes before each key. */
export function requirementsOf(selector: LabelSelector, source: string, prefix = ''): LabelRequirement[] {
  const exact = Object.entries(selector.matchLabels).map(
    ([key, value]): LabelRequirement => ({ source, key: prefix + key, operator: 'In', values: [value] }),
  );
  const expressions = selector.matchExpressions.map(
    ({ key, operator, values }): LabelRequirement => ({ source, key: prefix + key, operator, values }),
  );
  return exact.concat(expressions);
}

/** Requirements on the labels of a pod's namespace. */
export function namespaceRequirements(selector: LabelSelector): LabelRequirement[] {
  return requirementsOf(selector, 'k8s', namespaceLabelsPrefix);
}

/** Nearly every rule demands one of a few namespaces: each demand is kept once. */
const demands = new Map<string, LabelRequirement>();

export function inNamespace(namespace: string): LabelRequirement {
  let demand = demands.get(namespace);
  if (demand === undefined) {
    if (demands.size > 10_000) demands.clear();
    demand = { source: 'k8s', key: namespaceKey, operator: 'In', values: [namespace] };
    demands.set(namespace, demand);
  }
  return demand;
}

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
    return { source: source === '' ? 'any' : source, key, operator: requirement.operator, values: requirement.values };
  });
}

/** A key that is equal where two selectors are. */
export function selectorKey(selector: EndpointSelector): string {
  // Values may hold anything, so each tells its length.
  const parts = selector.map(({ source, key, operator, values }) => {
    const sorted = values.length > 1 ? [...values].sort() : values;
    return `${source} ${key.length} ${key} ${operator}${sorted.map((value) => ` ${value.length} ${value}`).join('')}`;
  });
  return parts.sort().join('\n');
}
