/** Whether a path of a policy is a template: it holds `{*}` (one segment) or `{**}` (zero or more segments). */
export function isPathTemplate(path: string): boolean {
  return path.includes('{*}') || path.includes('{**}');
}

/**
 * Rewrites Istio's `{*}` and `{**}` to the `*` and `**` of Envoy's uri_template matcher. Returns null for a template that Envoy would refuse,
 * and with it the whole configuration: operators must fill a segment, `{**}` may come once and must be the last operator, named
 * variables and bare `*` are not allowed, and literals are limited to the characters of a URI path.
 */
export function envoyPathTemplate(path: string): string | null {
  if (!path.startsWith('/')) return null;
  const segments = path.slice(1).split('/');
  let ended = false;
  for (const segment of segments) {
    const operator = segment === '{*}' || segment === '{**}';
    if (operator && ended) return null;
    if (segment === '{**}') ended = true;
    if (!operator && !/^(?:[A-Za-z0-9\-._~!$&'()+,;:@=]|%[0-9A-Fa-f]{2})*$/.test(segment)) return null;
  }
  return `/${segments.map((segment) => (segment === '{*}' ? '*' : segment === '{**}' ? '**' : segment)).join('/')}`;
}
