import type { AuthorizationPolicyManifest } from '../../manifests/types.ts';
import { httpAuthorizationFilters } from '../authorization/filters.ts';
import type { ProxyFiles } from './files.ts';
import { discoveryFile } from './files.ts';
import { fileSource } from './transport.ts';
import type { ExtensionResource, HttpFilter, TypedConfig } from './types.ts';

const rbacType = 'type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC';

/** In the order in which they are asked. AUDIT enforces nothing, so its place is only there while a policy audits. */
const slots = [
  { action: 'AUDIT', name: 'authorization-audit', always: false },
  { action: 'DENY', name: 'authorization-deny', always: true },
  { action: 'ALLOW', name: 'authorization-allow', always: true },
] as const;

type Slot = (typeof slots)[number];

/**
 * The places of the HTTP authorization filters in a connection manager. Their rules come from files of their own (ECDS): a new policy counts
 * for the next request, on connections that were open before too. In the listener, it would count only after the old connections have drained,
 * and proxies keep their connections to each other open. DENY and ALLOW have a place even when no policy is there, for the same reason.
 */
export function httpAuthorizationPlaces(policies: readonly AuthorizationPolicyManifest[], directory: string): readonly HttpFilter[] {
  return usedSlots(policies).map((slot) => ({
    name: slot.name,
    config_discovery: { config_source: fileSource(directory, slotFile(slot)), type_urls: [rbacType] },
  }));
}

/** The files that fill the places. Throws UserError MESH_INVALID for a policy that cannot be translated. */
export function httpAuthorizationFiles(policies: readonly AuthorizationPolicyManifest[], trustDomain: string): ProxyFiles {
  return Object.fromEntries(
    usedSlots(policies).map((slot) => {
      const [filter] = httpAuthorizationFilters(policiesOf(slot, policies), { trustDomain });
      const rules: TypedConfig = { ...filter?.typed_config, '@type': rbacType };
      const resource: ExtensionResource = {
        '@type': 'type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig',
        name: slot.name,
        typed_config: rules,
      };
      return [slotFile(slot), discoveryFile([resource])];
    }),
  );
}

function usedSlots(policies: readonly AuthorizationPolicyManifest[]): readonly Slot[] {
  return slots.filter((slot) => slot.always || policiesOf(slot, policies).length > 0);
}

function policiesOf(slot: Slot, policies: readonly AuthorizationPolicyManifest[]): readonly AuthorizationPolicyManifest[] {
  return policies.filter((policy) => policy.action === slot.action);
}

function slotFile(slot: Slot): string {
  return `ecds/${slot.name}.json`;
}
