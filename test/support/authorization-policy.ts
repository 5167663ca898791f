import type {
  AuthorizationCondition,
  AuthorizationOperation,
  AuthorizationPolicyManifest,
  AuthorizationSource,
} from '../../src/manifests/types.ts';

/** A rule as a user writes it, without what is absent. */
export interface PartialRule {
  readonly from?: readonly Partial<AuthorizationSource>[];
  readonly to?: readonly Partial<AuthorizationOperation>[];
  readonly when?: readonly (Partial<AuthorizationCondition> & { readonly key: string })[];
}

const noSource: AuthorizationSource = {
  principals: [],
  notPrincipals: [],
  requestPrincipals: [],
  notRequestPrincipals: [],
  namespaces: [],
  notNamespaces: [],
  serviceAccounts: [],
  notServiceAccounts: [],
  ipBlocks: [],
  notIpBlocks: [],
  remoteIpBlocks: [],
  notRemoteIpBlocks: [],
};

const noOperation: AuthorizationOperation = {
  hosts: [],
  notHosts: [],
  ports: [],
  notPorts: [],
  methods: [],
  notMethods: [],
  paths: [],
  notPaths: [],
};

/** A policy with what is absent filled in: namespace `demo`, name `policy`, no selector. */
export function authorizationPolicy(
  action: AuthorizationPolicyManifest['action'],
  rules: readonly PartialRule[],
  rest: {
    readonly name?: string;
    readonly namespace?: string;
    readonly selector?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  } = {},
): AuthorizationPolicyManifest {
  return {
    kind: 'AuthorizationPolicy',
    metadata: { name: rest.name ?? 'policy', namespace: rest.namespace ?? 'demo', labels: {}, annotations: rest.annotations ?? {} },
    position: { file: 'policy.yaml', line: 1, column: 1 },
    selector: rest.selector ?? null,
    action,
    rules: rules.map((rule) => ({
      from: (rule.from ?? []).map((source) => ({ ...noSource, ...source })),
      to: (rule.to ?? []).map((operation) => ({ ...noOperation, ...operation })),
      when: (rule.when ?? []).map((condition) => ({ values: [], notValues: [], ...condition })),
    })),
  };
}
