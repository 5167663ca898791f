import type { AuthorizationPolicyManifest } from '../../manifests/types.ts';
import type { RuleContext } from './constraint.ts';
import type { EnvoyHttpFilter, EnvoyNetworkFilter, RbacFilterConfig, RbacPolicy, RbacRules } from './envoy-rbac.ts';
import { neverPolicy, translateRule } from './rule.ts';

export interface AuthorizationOptions {
  /** The trust domain of the mesh, such as `cluster.local`. */
  readonly trustDomain: string;
}

/** AUDIT before DENY before ALLOW: an audited request is marked even if it is denied after. */
const order = ['AUDIT', 'DENY', 'ALLOW'] as const;
type Action = (typeof order)[number];

const envoyActions = { AUDIT: 'LOG', DENY: 'DENY', ALLOW: 'ALLOW' } as const satisfies Record<Action, RbacRules['action']>;

/** The stat prefixes of dry-run results are Istio's. Envoy's LOG action has no shadow of its own to count. */
const shadowPrefixes = { AUDIT: null, DENY: 'istio_dry_run_deny_', ALLOW: 'istio_dry_run_allow_' } as const;

/**
 * The HTTP filters that enforce the policies of one workload, in the order in which they have to stand before the router: at most one for
 * each of AUDIT, DENY and ALLOW. No policy, no filter, and everything is allowed; one ALLOW policy, and what none allows is denied.
 * AUDIT enforces nothing: Envoy's LOG action lets everything through and sets `access_log_hint` in the dynamic metadata of
 * `envoy.common` for the access log to act on. A policy annotated `istio.io/dry-run: "true"` is a shadow rule: counted, not enforced.
 * Throws UserError MESH_INVALID, naming the policy, for what cannot be translated. Source: Istio's AuthorizationPolicy reference.
 */
export function httpAuthorizationFilters(
  policies: readonly AuthorizationPolicyManifest[],
  options: AuthorizationOptions,
): EnvoyHttpFilter[] {
  return filterConfigs(policies, options, 'http').map((config) => ({
    name: 'envoy.filters.http.rbac',
    typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC', ...config },
  }));
}

/**
 * As httpAuthorizationFilters, for a filter chain that carries plain TCP: ALLOW rules with HTTP-only fields are dropped, DENY rules lose them.
 * The filters have to stand before the TCP proxy.
 */
export function networkAuthorizationFilters(
  policies: readonly AuthorizationPolicyManifest[],
  options: AuthorizationOptions,
): EnvoyNetworkFilter[] {
  return filterConfigs(policies, options, 'tcp').map((config) => ({
    name: 'envoy.filters.network.rbac',
    typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC', stat_prefix: 'tcp.', ...config },
  }));
}

/**
 * Throws UserError MESH_INVALID if a policy cannot be enforced, for use when it is applied. What can be translated for HTTP can be for TCP too,
 * where only fields fall away.
 */
export function checkAuthorizationPolicy(policy: AuthorizationPolicyManifest): void {
  httpAuthorizationFilters([policy], { trustDomain: 'cluster.local' });
}

/** The name under which a rule appears in `rbac_access_denied_matched_policy[...]` of the access log. The form is Istio's. */
export function ruleName(policy: AuthorizationPolicyManifest, rule: number): string {
  return `ns[${policy.metadata.namespace}]-policy[${policy.metadata.name}]-rule[${rule}]`;
}

function filterConfigs(
  policies: readonly AuthorizationPolicyManifest[],
  options: AuthorizationOptions,
  transport: RuleContext['transport'],
): Omit<RbacFilterConfig, '@type'>[] {
  return order.flatMap((action) => {
    const ofAction = policies.filter((policy) => policy.action === action);
    if (ofAction.length === 0) return [];
    const enforced = ofAction.filter((policy) => !isDryRun(policy));
    const shadowed = ofAction.filter(isDryRun);
    const prefix = shadowPrefixes[action];
    return [
      {
        ...(enforced.length === 0 ? {} : { rules: rules(action, enforced, options, transport) }),
        ...(shadowed.length === 0 ? {} : { shadow_rules: rules(action, shadowed, options, transport) }),
        ...(shadowed.length === 0 || prefix === null ? {} : { shadow_rules_stat_prefix: prefix }),
      },
    ];
  });
}

function rules(
  action: Action,
  policies: readonly AuthorizationPolicyManifest[],
  { trustDomain }: AuthorizationOptions,
  transport: RuleContext['transport'],
): RbacRules {
  const translated: [string, RbacPolicy][] = [];
  for (const policy of policies) {
    if (policy.rules.length === 0) translated.push([ruleName(policy, 0), neverPolicy]);
    for (const [index, rule] of policy.rules.entries()) {
      const result = translateRule({ policy, rule: index, transport, trustDomain }, rule);
      if (result !== null) translated.push([ruleName(policy, index), result]);
    }
  }
  return { action: envoyActions[action], policies: Object.fromEntries(translated) };
}

/** The spellings of true that Go's strconv.ParseBool takes, which is what Istio reads the annotation with. */
function isDryRun(policy: AuthorizationPolicyManifest): boolean {
  return ['1', 't', 'T', 'true', 'TRUE', 'True'].includes(policy.metadata.annotations['istio.io/dry-run'] ?? '');
}
