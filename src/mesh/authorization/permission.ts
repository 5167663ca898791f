import type { AuthorizationOperation } from '../../manifests/types.ts';
import type { Algebra, Constraint, RuleContext } from './constraint.ts';
import { cidrRange, invalid } from './constraint.ts';
import type { Permission } from './envoy-rbac.ts';
import { envoyPathTemplate, isPathTemplate } from './path-template.ts';
import { headerMatcher, hostMatcher, stringMatcher } from './string-matcher.ts';

/** How permissions are put together. */
export const permissionAlgebra: Algebra<Permission> = {
  any: { any: true },
  and: (rules) => ({ and_rules: { rules } }),
  or: (rules) => ({ or_rules: { rules } }),
  not: (rule) => ({ not_rule: rule }),
};

/** Matches nothing. */
export const noPermission: Permission = { not_rule: { any: true } };

/** The constraints of one `to` entry. */
export function operationConstraints(context: RuleContext, operation: AuthorizationOperation): Constraint<Permission>[] {
  return [
    http('hosts', operation.hosts, operation.notHosts, (value) => ({ header: hostMatcher(value) })),
    http('methods', operation.methods, operation.notMethods, (value) => ({ header: headerMatcher(':method', value) })),
    http('paths', operation.paths, operation.notPaths, (value) => path(context, value)),
    destinationPort(context, 'ports', operation.ports, operation.notPorts),
  ];
}

/** The address that the client connected to. */
export function destinationAddress(
  context: RuleContext,
  field: string,
  values: readonly string[],
  notValues: readonly string[],
): Constraint<Permission> {
  const match = (value: string): Permission => ({ destination_ip: cidrRange(context, field, value) });
  return { field, httpOnly: false, values, notValues, match };
}

/** The port that the client connected to: the workload's port, not the service's. */
export function destinationPort(
  context: RuleContext,
  field: string,
  values: readonly string[],
  notValues: readonly string[],
): Constraint<Permission> {
  const match = (value: string): Permission => {
    if (!/^\d{1,5}$/.test(value) || Number(value) > 65535) throw invalid(context, field, value, 'Write a port number from 0 to 65535.');
    return { destination_port: Number(value) };
  };
  return { field, httpOnly: false, values, notValues, match };
}

/** The server name of the TLS handshake. Envoy knows it only where the listener has the tls_inspector filter. */
export function serverName(field: string, values: readonly string[], notValues: readonly string[]): Constraint<Permission> {
  return { field, httpOnly: false, values, notValues, match: (value) => ({ requested_server_name: stringMatcher(value) }) };
}

/** Paths are compared without query and fragment. */
function path(context: RuleContext, value: string): Permission {
  if (!isPathTemplate(value)) return { url_path: { path: stringMatcher(value) } };
  const template = envoyPathTemplate(value);
  if (template === null) {
    throw invalid(
      context,
      'paths',
      value,
      'Let {*} and {**} fill a whole segment, use {**} once and last, and write no other wildcard or variable.',
    );
  }
  return {
    uri_template: {
      name: 'uri-template',
      typed_config: {
        '@type': 'type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig',
        path_template: template,
      },
    },
  };
}

function http(
  field: string,
  values: readonly string[],
  notValues: readonly string[],
  match: (value: string) => Permission,
): Constraint<Permission> {
  return { field, httpOnly: true, values, notValues, match };
}
