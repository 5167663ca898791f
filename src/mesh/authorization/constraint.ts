import { UserError } from '../../base/errors.ts';
import type { AuthorizationPolicyManifest } from '../../manifests/types.ts';
import { formatIp, parseCidrOrIp } from '../../pods/address.ts';
import type { CidrRange } from './envoy-rbac.ts';

/** One field of a rule: any of `values` and none of `notValues`. Both empty: no constraint. */
export interface Constraint<Matcher> {
  /** The field's name as the user wrote it, for messages. */
  readonly field: string;
  /** Only an HTTP request has what this field looks at. */
  readonly httpOnly: boolean;
  readonly values: readonly string[];
  readonly notValues: readonly string[];
  /** Throws UserError MESH_INVALID for a value that has no meaning for the field. */
  readonly match: (value: string) => Matcher;
}

/** Where a rule stands, and what its translation depends on. */
export interface RuleContext {
  readonly policy: AuthorizationPolicyManifest;
  readonly rule: number;
  readonly transport: 'http' | 'tcp';
  readonly trustDomain: string;
}

/** How the two halves of an RBAC policy are put together. */
export interface Algebra<Matcher> {
  readonly any: Matcher;
  readonly and: (parts: readonly Matcher[]) => Matcher;
  readonly or: (parts: readonly Matcher[]) => Matcher;
  readonly not: (part: Matcher) => Matcher;
}

/**
 * ANDs constraints; no constraint at all matches everything. Returns null if the whole rule has to be dropped.
 *
 * On a TCP filter chain nothing is known of HTTP. Istio's rule (AuthorizationPolicy reference and "TCP traffic" task): an ALLOW rule with an
 * HTTP-only field can never match, so it is dropped; a DENY rule keeps its other fields and loses the HTTP-only ones, which denies
 * more. AUDIT follows DENY. Either way a field that cannot be checked never lets more through.
 */
export function conjunction<Matcher>(
  context: RuleContext,
  constraints: readonly Constraint<Matcher>[],
  algebra: Algebra<Matcher>,
): Matcher | null {
  const parts: Matcher[] = [];
  for (const { field, httpOnly, values, notValues, match } of constraints) {
    if (values.length === 0 && notValues.length === 0) continue;
    if ([...values, ...notValues].includes('')) throw invalid(context, field, '', 'Remove the empty value; use "*" to ask for presence.');
    if (httpOnly && context.transport === 'tcp') {
      if (context.policy.action === 'ALLOW') return null;
      continue;
    }
    if (values.length > 0) parts.push(algebra.or(values.map(match)));
    if (notValues.length > 0) parts.push(algebra.not(algebra.or(notValues.map(match))));
  }
  return algebra.and(parts.length === 0 ? [algebra.any] : parts);
}

/** The error for a value that cannot be translated; it names the policy, the rule, the field and the value. */
export function invalid(context: Pick<RuleContext, 'policy' | 'rule'>, field: string, value: string, cure: string): UserError {
  const { namespace, name } = context.policy.metadata;
  return new UserError(
    'MESH_INVALID',
    `Cannot translate AuthorizationPolicy ${namespace}/${name} because rule ${context.rule} has a ${field} that is not supported: ${JSON.stringify(value)}`,
    { cure, where: context.policy.position, data: { namespace, name, rule: context.rule, field, value } },
  );
}

/** An address or a range in Envoy's form. Throws UserError MESH_INVALID if `value` is neither. */
export function cidrRange(context: RuleContext, field: string, value: string): CidrRange {
  const range = parseCidrOrIp(value);
  if (range === null) throw invalid(context, field, value, 'Write an address such as 10.1.2.3 or a range such as 10.1.0.0/16 or fd00::/8.');
  return { address_prefix: formatIp({ family: range.family, bytes: range.address }), prefix_len: range.prefix };
}
