import type { AuthorizationSource } from '../../manifests/types.ts';
import type { Algebra, Constraint, RuleContext } from './constraint.ts';
import { cidrRange, invalid } from './constraint.ts';
import type { Principal } from './envoy-rbac.ts';
import { headerMatcher, quoteRegex, stringMatcher } from './string-matcher.ts';

/** How principals are put together. */
export const principalAlgebra: Algebra<Principal> = {
  any: { any: true },
  and: (ids) => ({ and_ids: { ids } }),
  or: (ids) => ({ or_ids: { ids } }),
  not: (id) => ({ not_id: id }),
};

/** Matches nobody. */
export const noPrincipal: Principal = { not_id: { any: true } };

/** The constraints of one `from` entry. */
export function sourceConstraints(context: RuleContext, source: AuthorizationSource): Constraint<Principal>[] {
  return [
    peerPrincipal(context, 'principals', source.principals, source.notPrincipals),
    requestIdentity('requestPrincipals', source.requestPrincipals, source.notRequestPrincipals),
    peerNamespace('namespaces', source.namespaces, source.notNamespaces),
    peerServiceAccount(context, 'serviceAccounts', source.serviceAccounts, source.notServiceAccounts),
    directAddress(context, 'ipBlocks', source.ipBlocks, source.notIpBlocks),
    remoteAddress(context, 'remoteIpBlocks', source.remoteIpBlocks, source.notRemoteIpBlocks),
  ];
}

/**
 * The identity in the peer's certificate. Envoy compares `principal_name` with each URI SAN, which is `spiffe://` and Istio's principal; without
 * a client certificate nothing matches, so the not-form does. `*` asks for `.+` and not for an `authenticated` without a
 * name: Envoy takes the latter as satisfied by any TLS connection, with or without a client certificate.
 * `cluster.local` as the trust domain of a principal stands for the mesh's own (Istio, "Trust domain migration").
 */
export function peerPrincipal(
  context: RuleContext,
  field: string,
  values: readonly string[],
  notValues: readonly string[],
): Constraint<Principal> {
  return plain(field, values, notValues, (value) => {
    const own = value.startsWith('cluster.local/') ? `${context.trustDomain}/${value.slice('cluster.local/'.length)}` : value;
    if (own === '*') return authenticated({ safe_regex: { regex: '.+' } });
    if (own.startsWith('*')) return authenticated({ safe_regex: { regex: `spiffe://.*${quoteRegex(own.slice(1))}` } });
    return authenticated(stringMatcher(`spiffe://${own}`));
  });
}

/** The namespace in the peer's identity. `*` stands for any run of characters, anywhere in the value. */
export function peerNamespace(field: string, values: readonly string[], notValues: readonly string[]): Constraint<Principal> {
  return plain(field, values, notValues, (value) =>
    authenticated({ safe_regex: { regex: `.*/ns/${value.split('*').map(quoteRegex).join('.*')}/.*` } }),
  );
}

/** The service account in the peer's identity: `name`, in the policy's own namespace, or `namespace/name`. No wildcards. */
export function peerServiceAccount(
  context: RuleContext,
  field: string,
  values: readonly string[],
  notValues: readonly string[],
): Constraint<Principal> {
  return plain(field, values, notValues, (value) => {
    if (!/^(?:[a-z0-9-]+\/)?[a-z0-9.-]+$/.test(value)) {
      throw invalid(context, field, value, 'Write the name of a service account, or namespace/name; wildcards are for principals.');
    }
    const slash = value.indexOf('/');
    const namespace = slash === -1 ? context.policy.metadata.namespace : value.slice(0, slash);
    // SPIFFE identities may carry further key/value pairs between the namespace and the account, and after it.
    const regex = `spiffe://.+/ns/${quoteRegex(namespace)}/(.+/|)sa/${quoteRegex(value.slice(slash + 1))}(/.+)?`;
    return authenticated({ safe_regex: { regex } });
  });
}

/** The address of the peer that holds the connection. */
export function directAddress(
  context: RuleContext,
  field: string,
  values: readonly string[],
  notValues: readonly string[],
): Constraint<Principal> {
  return plain(field, values, notValues, (value) => ({ direct_remote_ip: cidrRange(context, field, value) }));
}

/** The address of the original client, from X-Forwarded-For or the PROXY protocol where the listener trusts them. */
export function remoteAddress(
  context: RuleContext,
  field: string,
  values: readonly string[],
  notValues: readonly string[],
): Constraint<Principal> {
  return plain(field, values, notValues, (value) => ({ remote_ip: cidrRange(context, field, value) }));
}

/** A header of the request. Several headers of one name are compared as one, joined by commas. */
export function requestHeader(
  field: string,
  header: string,
  values: readonly string[],
  notValues: readonly string[],
): Constraint<Principal> {
  return { field, httpOnly: true, values, notValues, match: (value) => ({ header: headerMatcher(header, value) }) };
}

/**
 * What a validated JSON Web Token says. Millrace has no RequestAuthentication, so no request has a validated token: as in Istio without one, the
 * values never match and the not-values always do.
 */
export function requestIdentity(field: string, values: readonly string[], notValues: readonly string[]): Constraint<Principal> {
  return { field, httpOnly: true, values, notValues, match: () => noPrincipal };
}

function plain(
  field: string,
  values: readonly string[],
  notValues: readonly string[],
  match: (value: string) => Principal,
): Constraint<Principal> {
  return { field, httpOnly: false, values, notValues, match };
}

function authenticated(matcher: ReturnType<typeof stringMatcher>): Principal {
  return { authenticated: { principal_name: matcher } };
}
