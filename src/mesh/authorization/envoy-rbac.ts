/**
 * The part of Envoy's RBAC messages that we write, as the JSON that Envoy reads.
 * Source: envoy/config/rbac/v3/rbac.proto, envoy/type/matcher/v3/{string,path}.proto, envoy/config/route/v3 HeaderMatcher.
 */
export type StringMatcher =
  | { readonly exact: string; readonly ignore_case?: true }
  | { readonly prefix: string; readonly ignore_case?: true }
  | { readonly suffix: string; readonly ignore_case?: true }
  | { readonly safe_regex: { readonly regex: string } };

/** A condition on one header. `:method` and `:authority` are headers too. */
export type HeaderMatcher =
  | { readonly name: string; readonly present_match: true }
  | { readonly name: string; readonly string_match: StringMatcher };

/** envoy.config.core.v3.CidrRange. */
export interface CidrRange {
  readonly address_prefix: string;
  readonly prefix_len: number;
}

/** What is asked for: one of Envoy's permission rules. */
export type Permission =
  | { readonly any: true }
  | { readonly and_rules: { readonly rules: readonly Permission[] } }
  | { readonly or_rules: { readonly rules: readonly Permission[] } }
  | { readonly not_rule: Permission }
  | { readonly header: HeaderMatcher }
  | { readonly url_path: { readonly path: StringMatcher } }
  | {
      readonly uri_template: { readonly name: string; readonly typed_config: { readonly '@type': string; readonly path_template: string } };
    }
  | { readonly destination_ip: CidrRange }
  | { readonly destination_port: number }
  | { readonly requested_server_name: StringMatcher };

/** Who asks: one of Envoy's principal identifiers. */
export type Principal =
  | { readonly any: true }
  | { readonly and_ids: { readonly ids: readonly Principal[] } }
  | { readonly or_ids: { readonly ids: readonly Principal[] } }
  | { readonly not_id: Principal }
  | { readonly authenticated: { readonly principal_name: StringMatcher } }
  | { readonly direct_remote_ip: CidrRange }
  | { readonly remote_ip: CidrRange }
  | { readonly header: HeaderMatcher };

/** Matches when any of the permissions and any of the principals match. */
export interface RbacPolicy {
  readonly permissions: readonly Permission[];
  readonly principals: readonly Principal[];
}

/** envoy.config.rbac.v3.RBAC. ALLOW lets through what matches, DENY what does not match, LOG everything. */
export interface RbacRules {
  readonly action: 'ALLOW' | 'DENY' | 'LOG';
  readonly policies: Readonly<Record<string, RbacPolicy>>;
}

/** The body of both RBAC filters. Without `rules` the filter enforces nothing; `shadow_rules` are evaluated and counted only. */
export interface RbacFilterConfig {
  readonly '@type': string;
  readonly rules?: RbacRules;
  readonly shadow_rules?: RbacRules;
  readonly shadow_rules_stat_prefix?: string;
}

/** An entry of HttpConnectionManager.http_filters. */
export interface EnvoyHttpFilter {
  readonly name: 'envoy.filters.http.rbac';
  readonly typed_config: RbacFilterConfig;
}

/** An entry of FilterChain.filters. */
export interface EnvoyNetworkFilter {
  readonly name: 'envoy.filters.network.rbac';
  readonly typed_config: RbacFilterConfig & { readonly stat_prefix: string };
}
