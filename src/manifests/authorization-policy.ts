import { z } from 'zod';
import { parseCidrOrIp } from '../pods/address.ts';
import { fields, labels, nonEmpty, refuse, text } from './fields.ts';
import type { AuthorizationPolicyManifest, AuthorizationRule } from './types.ts';

// The rules are those of Istio's own validation (its webhook and its CRD), so that what passes here passes on a cluster.

const strings = z.array(nonEmpty);

const ipBlocks = z.array(
  text(
    (value) => parseCidrOrIp(value) !== null,
    'must be an IP address or a range',
    'Write it like 10.1.2.3, 10.0.0.0/8 or 2001:db8::/32.',
  ),
);

const ports = z.array(
  text(
    (value) => /^[0-9]{1,5}$/.test(value) && Number(value) >= 1 && Number(value) <= 65535,
    'must be a port from 1 to 65535',
    'Write a number in quotes; ports have no wildcards and no ranges.',
  ),
);

const paths = z.array(
  text(
    (value) => value !== '' && !/[{}]/.test(value),
    'must be a path without {…}',
    "Use an exact path, 'prefix*' or '*suffix'; path templates are not supported by the lab.",
  ),
);

function isServiceAccount(value: string): boolean {
  return value.length <= 320 && /^([^/*]+\/)?[^/*]+$/.test(value);
}

const serviceAccounts = z
  .array(text(isServiceAccount, 'must be a service account', "Write 'NAME' or 'NAMESPACE/NAME'; wildcards are not allowed here."))
  .max(16);

const source = fields({
  principals: strings.optional(),
  notPrincipals: strings.optional(),
  requestPrincipals: strings.optional(),
  notRequestPrincipals: strings.optional(),
  namespaces: strings.optional(),
  notNamespaces: strings.optional(),
  serviceAccounts: serviceAccounts.optional(),
  notServiceAccounts: serviceAccounts.optional(),
  ipBlocks: ipBlocks.optional(),
  notIpBlocks: ipBlocks.optional(),
  remoteIpBlocks: ipBlocks.optional(),
  notRemoteIpBlocks: ipBlocks.optional(),
}).transform((raw, ctx) => {
  const lists = {
    principals: raw.principals ?? [],
    notPrincipals: raw.notPrincipals ?? [],
    requestPrincipals: raw.requestPrincipals ?? [],
    notRequestPrincipals: raw.notRequestPrincipals ?? [],
    namespaces: raw.namespaces ?? [],
    notNamespaces: raw.notNamespaces ?? [],
    serviceAccounts: raw.serviceAccounts ?? [],
    notServiceAccounts: raw.notServiceAccounts ?? [],
    ipBlocks: raw.ipBlocks ?? [],
    notIpBlocks: raw.notIpBlocks ?? [],
    remoteIpBlocks: raw.remoteIpBlocks ?? [],
    notRemoteIpBlocks: raw.notRemoteIpBlocks ?? [],
  };
  checkNotEmpty(lists, ctx);
  const accounts = lists.serviceAccounts.length + lists.notServiceAccounts.length;
  const others = lists.principals.length + lists.notPrincipals.length + lists.namespaces.length + lists.notNamespaces.length;
  if (accounts > 0 && others > 0) {
    refuse(
      ctx,
      'must not join service accounts with principals or namespaces',
      'A service account says both already: remove the other lists.',
    );
  }
  return lists;
});

const operation = fields({
  hosts: strings.optional(),
  notHosts: strings.optional(),
  ports: ports.optional(),
  notPorts: ports.optional(),
  methods: strings.optional(),
  notMethods: strings.optional(),
  paths: paths.optional(),
  notPaths: paths.optional(),
}).transform((raw, ctx) => {
  const lists = {
    hosts: raw.hosts ?? [],
    notHosts: raw.notHosts ?? [],
    ports: raw.ports ?? [],
    notPorts: raw.notPorts ?? [],
    methods: raw.methods ?? [],
    notMethods: raw.notMethods ?? [],
    paths: raw.paths ?? [],
    notPaths: raw.notPaths ?? [],
  };
  checkNotEmpty(lists, ctx);
  return lists;
});

function checkNotEmpty(lists: Readonly<Record<string, readonly string[]>>, ctx: z.core.$RefinementCtx): void {
  if (Object.values(lists).every((list) => list.length === 0)) {
    refuse(
      ctx,
      'must have at least one field with a value',
      `Give one of ${Object.keys(lists).join(', ')}, or leave the whole list out to constrain nothing.`,
    );
  }
}

type ConditionCheck = z.ZodType<readonly string[]>;

/** Keys of `when` and what their values must be. Source: istio.io/docs/reference/config/security/conditions. */
const conditionKeys: Readonly<Record<string, ConditionCheck>> = {
  'request.headers[NAME]': strings,
  'source.ip': ipBlocks,
  'remote.ip': ipBlocks,
  'source.namespace': strings,
  'source.principal': strings,
  'source.serviceAccount': serviceAccounts,
  'request.auth.principal': strings,
  'request.auth.audiences': strings,
  'request.auth.presenter': strings,
  'request.auth.claims[NAME]': strings,
  'destination.ip': ipBlocks,
  'destination.port': ports,
  'connection.sni': strings,
};

function conditionCheck(key: string): ConditionCheck | null {
  const named = key.replace(/^(request\.headers|request\.auth\.claims)\[[^[\]]+\](\[[^[\]]+\])*$/, '$1[NAME]');
  return Object.hasOwn(conditionKeys, named) && (named === key) === !named.includes('[') ? (conditionKeys[named] ?? null) : null;
}

const condition = fields({ key: nonEmpty, values: z.array(z.string()).optional(), notValues: z.array(z.string()).optional() }).transform(
  (raw, ctx) => {
    const { key, values = [], notValues = [] } = raw;
    const check = conditionCheck(key);
    if (check === null) {
      refuse(ctx, 'is not a key that Istio knows', `Use one of ${Object.keys(conditionKeys).join(', ')}.`, ['key']);
      return z.NEVER;
    }
    if (values.length === 0 && notValues.length === 0) refuse(ctx, 'must have values or notValues', 'Give the values to compare with.');
    for (const [field, list] of Object.entries({ values, notValues })) {
      for (const issue of check.safeParse(list).error?.issues ?? []) {
        const cure: unknown = issue.code === 'custom' ? issue.params?.cure : undefined;
        refuse(ctx, issue.message, typeof cure === 'string' ? cure : 'Correct the value.', [
          field,
          ...issue.path.filter((step) => typeof step !== 'symbol'),
        ]);
      }
    }
    return { key, values, notValues };
  },
);

const rule = fields({
  from: z.array(fields({ source })).min(1).optional(),
  to: z.array(fields({ operation })).min(1).optional(),
  when: z.array(condition).optional(),
}).transform((raw): AuthorizationRule => {
  return { from: (raw.from ?? []).map((item) => item.source), to: (raw.to ?? []).map((item) => item.operation), when: raw.when ?? [] };
});

const action = z.unknown().transform((value, ctx): AuthorizationPolicyManifest['action'] => {
  if (value === 'ALLOW' || value === 'DENY' || value === 'AUDIT') return value;
  if (value === 'CUSTOM') refuse(ctx, 'is not supported by the lab', 'Use ALLOW, DENY or AUDIT.');
  else refuse(ctx, 'must be one of ALLOW, DENY, AUDIT', 'Write ALLOW, DENY or AUDIT in capitals.');
  return z.NEVER;
});

/** The workload selector of Istio's policies: matchLabels alone, without wildcards. */
export const workloadSelector = fields({ matchLabels: labels.optional() }).transform((raw) => raw.matchLabels ?? {});

/** A field that attaches a policy to a Gateway or a Service instead of to workloads. */
export const noTarget = z.unknown().superRefine((value, ctx) => {
  if (value !== undefined) refuse(ctx, 'is not supported by the lab', 'Use spec.selector: the lab has no waypoints and no gateways.');
});

const noProvider = z.unknown().superRefine((value, ctx) => {
  if (value !== undefined)
    refuse(ctx, 'belongs to the action CUSTOM, which is not supported by the lab', 'Remove it and use ALLOW, DENY or AUDIT.');
});

/** spec of an AuthorizationPolicy (security.istio.io/v1, v1beta1). */
export const authorizationPolicySpec = fields({
  selector: workloadSelector.optional(),
  action: action.optional(),
  rules: z.array(rule).optional(),
  targetRef: noTarget.optional(),
  targetRefs: noTarget.optional(),
  provider: noProvider.optional(),
}).transform((raw, ctx) => {
  const spec = { selector: raw.selector ?? null, action: raw.action ?? ('ALLOW' as const), rules: raw.rules ?? [] };
  if (spec.action === 'DENY' && spec.rules.length === 0) {
    refuse(ctx, 'must not be empty with action DENY, because it would never deny', 'Add a rule; the empty rule {} denies every request.', [
      'rules',
    ]);
  }
  return spec;
});
