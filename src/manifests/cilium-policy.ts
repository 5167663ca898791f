import { z } from 'zod';
import { fqdn, icmpRule, portDenyRule, portRule } from './cilium-ports.ts';
import { fields, isQualifiedName, refuse, text, unused } from './fields.ts';
import type { CiliumCidrSet, CiliumRule, CiliumServicePeer, CiliumSpec } from './policy-types.ts';
import type { LabelSelector } from './types.ts';

// What Cilium's CRD accepts. What its own check refuses afterwards (`Valid=False`) is in cilium-faults.ts.

/** A key with an optional source before a colon: `k8s:app`, `reserved:host`, `any:io.kubernetes.pod.namespace`. */
function isCiliumKey(key: string): boolean {
  const colon = key.indexOf(':');
  const source = colon < 0 ? '' : key.slice(0, colon);
  const rest = key.slice(colon + 1);
  if (source === 'cidr' || source === 'fqdn' || source === 'cidrgroup') return rest !== '';
  return /^[a-z0-9-]*$/.test(source) && isQualifiedName(rest);
}

const key = text(isCiliumKey, 'must be the key of a label', "Use KEY or SOURCE:KEY, as in 'app', 'k8s:app' or 'reserved:host'.");

const selector = fields({
  matchLabels: z
    .record(z.string(), z.string())
    .superRefine((map, ctx) => {
      for (const name of Object.keys(map)) {
        if (!isCiliumKey(name))
          refuse(ctx, 'has a key that is not one of a label', "Use KEY or SOURCE:KEY, as in 'app', 'k8s:app' or 'reserved:host'.", [name]);
      }
    })
    .optional(),
  matchExpressions: z
    .array(
      fields({
        key,
        operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist']),
        values: z.array(z.string()).optional(),
      }).superRefine((expression, ctx) => {
        const given = expression.values?.length ?? 0;
        const needed = expression.operator === 'In' || expression.operator === 'NotIn';
        if (needed && given === 0)
          refuse(ctx, `must not be empty with operator ${expression.operator}`, 'Give the values to compare with.', ['values']);
        if (!needed && given > 0) refuse(ctx, `must be empty with operator ${expression.operator}`, 'Remove the values.', ['values']);
      }),
    )
    .optional(),
}).transform(
  (raw): LabelSelector => ({
    matchLabels: raw.matchLabels ?? {},
    matchExpressions: (raw.matchExpressions ?? []).map((expression) => ({ ...expression, values: expression.values ?? [] })),
  }),
);

const cidrSet = fields({
  cidr: z.string().optional(),
  except: z.array(z.string()).optional(),
  cidrGroupRef: z.string().optional(),
  cidrGroupSelector: selector.optional(),
}).transform(
  (raw): CiliumCidrSet => ({
    cidr: raw.cidr ?? null,
    except: raw.except ?? [],
    cidrGroupRef: raw.cidrGroupRef ?? null,
    cidrGroupSelector: raw.cidrGroupSelector ?? null,
  }),
);

const service = fields({
  k8sService: fields({ serviceName: z.string().optional(), namespace: z.string().optional() }).optional(),
  k8sServiceSelector: fields({ selector, namespace: z.string().optional() }).optional(),
}).transform((raw, ctx): CiliumServicePeer => {
  const { k8sService, k8sServiceSelector } = raw;
  if (k8sService === undefined && k8sServiceSelector === undefined)
    refuse(ctx, 'must have k8sService or k8sServiceSelector', 'Name the service, or select services by their labels.');
  return {
    byName: k8sService === undefined ? null : { name: k8sService.serviceName ?? '', namespace: k8sService.namespace || null },
    bySelector:
      k8sServiceSelector === undefined ? null : { selector: k8sServiceSelector.selector, namespace: k8sServiceSelector.namespace || null },
  };
});

/** Removed from Cilium's API: a list with something in it is refused by the CRD. */
const removed = z.array(z.unknown()).superRefine((list, ctx) => {
  if (list.length > 0) refuse(ctx, 'is not supported any more', 'Put the requirement into the selectors.');
});

const authentication = fields({ mode: z.enum(['disabled', 'required', 'test-always-fail']) }).optional();

const from = {
  fromEndpoints: z.array(selector).optional(),
  fromCIDR: z.array(z.string()).optional(),
  fromCIDRSet: z.array(cidrSet).optional(),
  fromEntities: z.array(z.string()).optional(),
  fromNodes: z.array(selector).optional(),
  fromGroups: z.array(z.unknown()).optional(),
  fromRequires: removed.optional(),
  icmps: z.array(icmpRule).optional(),
};

const to = {
  toEndpoints: z.array(selector).optional(),
  toCIDR: z.array(z.string()).optional(),
  toCIDRSet: z.array(cidrSet).optional(),
  toEntities: z.array(z.string()).optional(),
  toNodes: z.array(selector).optional(),
  toGroups: z.array(z.unknown()).optional(),
  toServices: z.array(service).optional(),
  toRequires: removed.optional(),
  icmps: z.array(icmpRule).optional(),
};

/** Both directions in one shape; `from` and `to` differ in their names only. */
interface RawRule {
  readonly endpoints?: readonly LabelSelector[] | undefined;
  readonly cidr?: readonly string[] | undefined;
  readonly cidrSet?: readonly CiliumCidrSet[] | undefined;
  readonly entities?: readonly string[] | undefined;
  readonly nodes?: readonly LabelSelector[] | undefined;
  readonly groups?: readonly unknown[] | undefined;
  readonly services?: CiliumRule['services'] | undefined;
  readonly fqdns?: CiliumRule['fqdns'] | undefined;
  readonly ports?: CiliumRule['ports'] | undefined;
  readonly icmps?: CiliumRule['icmps'] | undefined;
  readonly authentication?: { readonly mode: 'disabled' | 'required' | 'test-always-fail' } | undefined;
}

function ruleOf(raw: RawRule): CiliumRule {
  return {
    endpoints: raw.endpoints ?? null,
    cidr: raw.cidr ?? null,
    cidrSet: raw.cidrSet ?? null,
    entities: raw.entities ?? null,
    nodes: raw.nodes ?? null,
    groups: raw.groups ?? null,
    services: raw.services ?? null,
    fqdns: raw.fqdns ?? null,
    ports: raw.ports ?? null,
    icmps: raw.icmps ?? null,
    authentication: raw.authentication?.mode ?? null,
  };
}

const fromRule = (raw: z.infer<z.ZodObject<typeof from>>): RawRule => ({
  endpoints: raw.fromEndpoints,
  cidr: raw.fromCIDR,
  cidrSet: raw.fromCIDRSet,
  entities: raw.fromEntities,
  nodes: raw.fromNodes,
  groups: raw.fromGroups,
  icmps: raw.icmps,
});

const toRule = (raw: z.infer<z.ZodObject<typeof to>>): RawRule => ({
  endpoints: raw.toEndpoints,
  cidr: raw.toCIDR,
  cidrSet: raw.toCIDRSet,
  entities: raw.toEntities,
  nodes: raw.toNodes,
  groups: raw.toGroups,
  services: raw.toServices,
  icmps: raw.icmps,
});

const ingressRule = fields({ ...from, toPorts: z.array(portRule).optional(), authentication }).transform((raw) =>
  ruleOf({ ...fromRule(raw), ports: raw.toPorts, authentication: raw.authentication }),
);

const ingressDenyRule = fields({ ...from, toPorts: z.array(portDenyRule).optional() }).transform((raw) =>
  ruleOf({ ...fromRule(raw), ports: raw.toPorts }),
);

const egressRule = fields({ ...to, toPorts: z.array(portRule).optional(), toFQDNs: z.array(fqdn).optional(), authentication }).transform(
  (raw) => ruleOf({ ...toRule(raw), ports: raw.toPorts, fqdns: raw.toFQDNs, authentication: raw.authentication }),
);

const egressDenyRule = fields({ ...to, toPorts: z.array(portDenyRule).optional() }).transform((raw) =>
  ruleOf({ ...toRule(raw), ports: raw.toPorts }),
);

/** spec, or one item of specs, of a CiliumNetworkPolicy or CiliumClusterwideNetworkPolicy (cilium.io/v2). */
export const ciliumSpec = fields({
  endpointSelector: selector.optional(),
  nodeSelector: selector.optional(),
  ingress: z.array(ingressRule).optional(),
  ingressDeny: z.array(ingressDenyRule).optional(),
  egress: z.array(egressRule).optional(),
  egressDeny: z.array(egressDenyRule).optional(),
  enableDefaultDeny: fields({ ingress: z.boolean().optional(), egress: z.boolean().optional() }).optional(),
  ...unused('description', 'labels', 'log'),
}).transform(
  (raw): CiliumSpec => ({
    endpointSelector: raw.endpointSelector ?? null,
    nodeSelector: raw.nodeSelector ?? null,
    ingress: raw.ingress ?? null,
    ingressDeny: raw.ingressDeny ?? null,
    egress: raw.egress ?? null,
    egressDeny: raw.egressDeny ?? null,
    enableDefaultDeny: { ingress: raw.enableDefaultDeny?.ingress ?? null, egress: raw.enableDefaultDeny?.egress ?? null },
  }),
);
