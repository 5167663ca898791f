import type { LabelSelector } from './types.ts';

/** Whether labels satisfy a selector of Kubernetes. An empty selector selects everything. */
export function matchesSelector(labels: Readonly<Record<string, string>>, selector: LabelSelector): boolean {
  return (
    matchesLabels(labels, selector.matchLabels) && selector.matchExpressions.every((expression) => matchesExpression(labels, expression))
  );
}

/** Whether labels hold every pair of `wanted`; an empty `wanted` holds always. For a Service's selector ask `serviceSelects`. */
export function matchesLabels(labels: Readonly<Record<string, string>>, wanted: Readonly<Record<string, string>>): boolean {
  return Object.entries(wanted).every(([key, value]) => labelOf(labels, key) === value);
}

/** Whether a Service's selector selects these labels. An empty one selects nothing: its endpoints are made by hand. */
export function serviceSelects(selector: Readonly<Record<string, string>>, labels: Readonly<Record<string, string>>): boolean {
  return Object.keys(selector).length > 0 && matchesLabels(labels, selector);
}

/** Whether a mesh policy's workload selector selects these labels; null, no selector, selects every workload in its scope. */
export function policySelects(selector: Readonly<Record<string, string>> | null, labels: Readonly<Record<string, string>>): boolean {
  return selector === null || matchesLabels(labels, selector);
}

function matchesExpression(labels: Readonly<Record<string, string>>, expression: LabelSelector['matchExpressions'][number]): boolean {
  const value = labelOf(labels, expression.key);
  switch (expression.operator) {
    case 'In':
      return value !== null && expression.values.includes(value);
    case 'NotIn':
      // Kubernetes: an object without the label satisfies NotIn.
      return value === null || !expression.values.includes(value);
    case 'Exists':
      return value !== null;
    case 'DoesNotExist':
      return value === null;
  }
}

/** A label of the name `constructor` is legal, so inherited properties must not be seen. */
function labelOf(labels: Readonly<Record<string, string>>, key: string): string | null {
  return Object.hasOwn(labels, key) ? (labels[key] ?? null) : null;
}
