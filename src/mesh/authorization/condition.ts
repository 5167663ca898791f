import type { AuthorizationCondition } from '../../manifests/types.ts';
import type { Constraint, RuleContext } from './constraint.ts';
import { invalid } from './constraint.ts';
import type { Permission, Principal } from './envoy-rbac.ts';
import { destinationAddress, destinationPort, serverName } from './permission.ts';
import {
  directAddress,
  peerNamespace,
  peerPrincipal,
  peerServiceAccount,
  remoteAddress,
  requestHeader,
  requestIdentity,
} from './principal.ts';

/** A condition belongs to one half of an RBAC policy: to who asks, or to what is asked for. */
export type ConditionConstraint =
  | { readonly kind: 'principal'; readonly constraint: Constraint<Principal> }
  | { readonly kind: 'permission'; readonly constraint: Constraint<Permission> };

/**
 * The constraint of one `when` entry. The keys are those of Istio's "Authorization policy conditions" page.
 * Throws UserError MESH_INVALID for any other key (`experimental.envoy.filters.*` among them).
 */
export function conditionConstraint(context: RuleContext, condition: AuthorizationCondition): ConditionConstraint {
  const { key, values, notValues } = condition;
  switch (key) {
    case 'source.ip':
      return principal(directAddress(context, key, values, notValues));
    case 'remote.ip':
      return principal(remoteAddress(context, key, values, notValues));
    case 'source.namespace':
      return principal(peerNamespace(key, values, notValues));
    case 'source.serviceAccount':
      return principal(peerServiceAccount(context, key, values, notValues));
    case 'source.principal':
      return principal(peerPrincipal(context, key, values, notValues));
    case 'request.auth.principal':
    case 'request.auth.audiences':
    case 'request.auth.presenter':
      return principal(requestIdentity(key, values, notValues));
    case 'destination.ip':
      return { kind: 'permission', constraint: destinationAddress(context, key, values, notValues) };
    case 'destination.port':
      return { kind: 'permission', constraint: destinationPort(context, key, values, notValues) };
    case 'connection.sni':
      return { kind: 'permission', constraint: serverName(key, values, notValues) };
  }
  if (/^request\.auth\.claims(\[[^[\]]+\])+$/.test(key)) return principal(requestIdentity(key, values, notValues));
  const header = /^request\.headers\[([A-Za-z0-9!#$%&'*+.^_`|~:-]+)\]$/.exec(key)?.[1];
  if (header !== undefined) return principal(requestHeader(key, header, values, notValues));
  throw invalid(
    context,
    'condition key',
    key,
    'Use one of request.headers[NAME], source.ip, remote.ip, source.namespace, source.serviceAccount, source.principal, request.auth.*, destination.ip, destination.port, connection.sni.',
  );
}

function principal(constraint: Constraint<Principal>): ConditionConstraint {
  return { kind: 'principal', constraint };
}
