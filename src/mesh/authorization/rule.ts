import type { AuthorizationRule } from '../../manifests/types.ts';
import { conditionConstraint } from './condition.ts';
import type { Constraint, RuleContext } from './constraint.ts';
import { conjunction } from './constraint.ts';
import type { Permission, Principal, RbacPolicy } from './envoy-rbac.ts';
import { noPermission, operationConstraints, permissionAlgebra } from './permission.ts';
import { noPrincipal, principalAlgebra, sourceConstraints } from './principal.ts';

/** What a policy without rules becomes: it matches no request. As an ALLOW policy it still turns default-deny on. */
export const neverPolicy: RbacPolicy = { permissions: [noPermission], principals: [noPrincipal] };

/**
 * One rule as an RBAC policy: some `from` entry AND some `to` entry AND every `when` entry. An absent `from` or `to` matches everything.
 * Returns null for a rule that can never match on this transport (ALLOW with HTTP-only fields on TCP).
 * Throws UserError MESH_INVALID for fields and values that have no translation.
 */
export function translateRule(context: RuleContext, rule: AuthorizationRule): RbacPolicy | null {
  const conditions = rule.when.map((condition) => conditionConstraint(context, condition));
  const onPrincipal = conditions.flatMap((condition) => (condition.kind === 'principal' ? [condition.constraint] : []));
  const onPermission = conditions.flatMap((condition) => (condition.kind === 'permission' ? [condition.constraint] : []));

  const sources: Constraint<Principal>[][] = rule.from.map((source) => [...sourceConstraints(context, source), ...onPrincipal]);
  const operations: Constraint<Permission>[][] = rule.to.map((operation) => [...operationConstraints(context, operation), ...onPermission]);

  const principals = (sources.length === 0 ? [onPrincipal] : sources).map((entry) => conjunction(context, entry, principalAlgebra));
  const permissions = (operations.length === 0 ? [onPermission] : operations).map((entry) =>
    conjunction(context, entry, permissionAlgebra),
  );
  // Istio drops the whole rule, with those entries that have no HTTP-only field, and so do we.
  const complete = <T>(entries: readonly (T | null)[]): entries is readonly T[] => !entries.includes(null);
  return complete(principals) && complete(permissions) ? { permissions, principals } : null;
}
