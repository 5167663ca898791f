import type { FieldPath } from './issues.ts';
import type { AuthorizationOperation, AuthorizationSource, Manifest } from './types.ts';

/** A value that is legal and most likely does not do what its author meant. */
export interface SuspectPattern {
  readonly path: FieldPath;
  /** Completes "FIELD …". */
  readonly message: string;
}

const sourceFields = ['principals', 'notPrincipals', 'requestPrincipals', 'notRequestPrincipals', 'namespaces', 'notNamespaces'] as const;
const operationFields = ['hosts', 'notHosts', 'methods', 'notMethods', 'paths', 'notPaths'] as const;

/**
 * Patterns of an AuthorizationPolicy that Istio compares literally: `*` stands for anything only as the whole value, or once at its beginning or its
 * end. A DENY rule with a '*' in the middle of a path would never deny. Methods are compared with their case.
 */
export function suspectPatterns(manifest: Manifest): readonly SuspectPattern[] {
  if (manifest.kind !== 'AuthorizationPolicy') return [];
  const found: SuspectPattern[] = [];
  for (const [index, rule] of manifest.rules.entries()) {
    const at: FieldPath = ['spec', 'rules', index];
    for (const [item, source] of rule.from.entries()) checkLists(source, sourceFields, [...at, 'from', item, 'source'], found);
    for (const [item, operation] of rule.to.entries()) checkLists(operation, operationFields, [...at, 'to', item, 'operation'], found);
  }
  return found;
}

type Lists = Partial<AuthorizationSource & AuthorizationOperation>;

function checkLists(lists: Lists, names: readonly (keyof Lists)[], path: FieldPath, found: SuspectPattern[]): void {
  for (const name of names) {
    for (const [index, value] of (lists[name] ?? []).entries()) {
      const where = [...path, name, index];
      const inner = value.startsWith('*') ? value.slice(1) : value.endsWith('*') ? value.slice(0, -1) : value;
      if (inner.includes('*'))
        found.push({
          path: where,
          message: `has a '*' that is compared literally: it is a wildcard only once, at the beginning or the end`,
        });
      if (/methods$/i.test(name) && value !== value.toUpperCase())
        found.push({ path: where, message: 'never matches: methods are written in capitals' });
    }
  }
}
