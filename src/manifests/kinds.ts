import { z } from 'zod';
import { authorizationPolicySpec } from './authorization-policy.ts';
import { ciliumFaults } from './cilium-faults.ts';
import { ciliumSpec } from './cilium-policy.ts';
import { clusterNetworkPolicySpec } from './cluster-network-policy.ts';
import type { Located } from './decode.ts';
import { decode } from './decode.ts';
import { deploymentSpec } from './deployment.ts';
import { dnsLabel, dnsSubdomain, fields, metadata, unused } from './fields.ts';
import type { IssueList } from './issues.ts';
import { networkPolicySpec } from './network-policy.ts';
import { peerAuthenticationSpec } from './peer-authentication.ts';
import type { PodSpecBody } from './pod-spec.ts';
import { podSpec } from './pod-spec.ts';
import { serviceSpec } from './service.ts';
import type { CiliumPolicyManifest, Manifest, ManifestKind, ObjectMeta, PodSpec, PolicyManifest } from './types.ts';

/** What is needed to read one object of any kind. */
export interface ReadContext extends Located {
  readonly defaultNamespace: string;
  /** false: the object belongs to the whole cluster. */
  readonly namespaced: boolean;
  readonly issues: IssueList;
}

interface KindRules {
  readonly apiVersions: readonly string[];
  /** false: the object belongs to the whole cluster. */
  readonly namespaced: boolean;
  /** null: something is wrong and the issues say what. */
  read(context: ReadContext): Manifest | null;
}

interface RawMetadata {
  readonly name: string;
  readonly namespace?: string | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

const securityVersions = ['security.istio.io/v1', 'security.istio.io/v1beta1'];
const workloadName = metadata(dnsSubdomain);
const labelName = metadata(dnsLabel);

/** A whole object: the fields that every kind has, and those of this one. */
function object<M extends z.ZodType<RawMetadata>, S extends z.core.$ZodLooseShape>(meta: M, shape: S) {
  return fields({ apiVersion: z.string(), kind: z.string(), metadata: meta, ...shape, ...unused('status') });
}

const namespaceObject = object(labelName, unused('spec'));
const serviceAccountObject = object(workloadName, unused('secrets', 'imagePullSecrets', 'automountServiceAccountToken'));
const podObject = object(workloadName, { spec: podSpec });
const deploymentObject = object(workloadName, { spec: deploymentSpec });
const serviceObject = object(labelName, { spec: serviceSpec });
const authorizationPolicyObject = object(workloadName, { spec: authorizationPolicySpec.optional() });
const peerAuthenticationObject = object(workloadName, { spec: peerAuthenticationSpec.optional() });
const ciliumPolicyObject = object(workloadName, { spec: ciliumSpec.optional(), specs: z.array(ciliumSpec).optional() });
const networkPolicyObject = object(workloadName, { spec: networkPolicySpec });
const clusterNetworkPolicyObject = object(workloadName, { spec: clusterNetworkPolicySpec });

const rulesByKind: Readonly<Record<ManifestKind, KindRules>> = {
  Namespace: {
    apiVersions: ['v1'],
    namespaced: false,
    read: (context) => build(context, namespaceObject, (_raw, base) => ({ kind: 'Namespace', ...base })),
  },
  ServiceAccount: {
    apiVersions: ['v1'],
    namespaced: true,
    read: (context) => build(context, serviceAccountObject, (_raw, base) => ({ kind: 'ServiceAccount', ...base })),
  },
  Pod: {
    apiVersions: ['v1'],
    namespaced: true,
    read: (context) => build(context, podObject, (raw, base) => ({ kind: 'Pod', ...base, spec: place(raw.spec, context, ['spec']) })),
  },
  Deployment: {
    apiVersions: ['apps/v1'],
    namespaced: true,
    read: (context) =>
      build(context, deploymentObject, ({ spec }, base) => {
        const template = { ...spec.template, spec: place(spec.template.spec, context, ['spec', 'template', 'spec']) };
        return { kind: 'Deployment', ...base, replicas: spec.replicas, selector: spec.selector, template };
      }),
  },
  Service: {
    apiVersions: ['v1'],
    namespaced: true,
    read: (context) => build(context, serviceObject, (raw, base) => ({ kind: 'Service', ...base, ...raw.spec })),
  },
  AuthorizationPolicy: {
    apiVersions: securityVersions,
    namespaced: true,
    read: (context) =>
      build(context, authorizationPolicyObject, (raw, base) => {
        const spec = raw.spec ?? { selector: null, action: 'ALLOW' as const, rules: [] };
        return { kind: 'AuthorizationPolicy', ...base, ...spec };
      }),
  },
  PeerAuthentication: {
    apiVersions: securityVersions,
    namespaced: true,
    read: (context) =>
      build(context, peerAuthenticationObject, (raw, base) => {
        const spec = raw.spec ?? { selector: null, mode: 'UNSET' as const, portLevel: {} };
        return { kind: 'PeerAuthentication', ...base, ...spec };
      }),
  },
  CiliumNetworkPolicy: { apiVersions: ['cilium.io/v2'], namespaced: true, read: (context) => ciliumPolicy('CiliumNetworkPolicy', context) },
  CiliumClusterwideNetworkPolicy: {
    apiVersions: ['cilium.io/v2'],
    namespaced: false,
    read: (context) => ciliumPolicy('CiliumClusterwideNetworkPolicy', context),
  },
  NetworkPolicy: {
    apiVersions: ['networking.k8s.io/v1'],
    namespaced: true,
    read: (context) => build(context, networkPolicyObject, ({ spec }, base) => ({ kind: 'NetworkPolicy', ...base, ...spec })),
  },
  ClusterNetworkPolicy: {
    apiVersions: ['policy.networking.k8s.io/v1alpha2'],
    namespaced: false,
    read: (context) => build(context, clusterNetworkPolicyObject, ({ spec }, base) => ({ kind: 'ClusterNetworkPolicy', ...base, ...spec })),
  },
};

/** Every kind that Millrace reads, in the order in which messages list them. */
export const knownKinds: readonly string[] = Object.keys(rulesByKind);

/** The rules of a kind, or null where it is not known. */
export function rulesOf(kind: string): KindRules | null {
  return isKnownKind(kind) ? rulesByKind[kind] : null;
}

function isKnownKind(kind: string): kind is ManifestKind {
  return Object.hasOwn(rulesByKind, kind);
}

const policyKinds: ReadonlySet<ManifestKind> = new Set([
  'CiliumNetworkPolicy',
  'CiliumClusterwideNetworkPolicy',
  'NetworkPolicy',
  'ClusterNetworkPolicy',
]);

/** Whether this is one of the kinds that say who may speak with whom. */
export function isPolicy(manifest: Manifest): manifest is PolicyManifest {
  return policyKinds.has(manifest.kind);
}

interface Base {
  readonly metadata: ObjectMeta;
  readonly position: Manifest['position'];
}

function build<T extends { readonly metadata: RawMetadata }>(
  context: ReadContext,
  schema: z.ZodType<T>,
  make: (raw: T, base: Base) => Manifest,
): Manifest | null {
  const raw = decode(schema, context, context.issues);
  if (raw === null) return null;
  return make(raw, { metadata: objectMeta(raw.metadata, context), position: context.document.positionOf(context.path) });
}

/** Cluster-wide kinds have the namespace '': parse.ts has refused one that was given. */
function objectMeta(raw: RawMetadata, context: ReadContext): ObjectMeta {
  return {
    name: raw.name,
    namespace: context.namespaced ? (raw.namespace ?? context.defaultNamespace) : '',
    labels: raw.labels ?? {},
    annotations: raw.annotations ?? {},
  };
}

function place(spec: PodSpecBody, context: ReadContext, path: readonly string[]): PodSpec {
  const { document } = context;
  const containers = spec.containers.map((container, index) => ({
    ...container,
    position: document.positionOf([...context.path, ...path, 'containers', index]),
  }));
  return { ...spec, containers };
}

function ciliumPolicy(kind: CiliumPolicyManifest['kind'], context: ReadContext): Manifest | null {
  return build(context, ciliumPolicyObject, (raw, base) => {
    const written = [
      ...(raw.spec === undefined ? [] : [{ spec: raw.spec, path: ['spec'] }]),
      ...(raw.specs ?? []).map((spec, index) => ({ spec, path: ['specs', index] })),
    ];
    const clusterwide = kind === 'CiliumClusterwideNetworkPolicy';
    const faults = written.flatMap(({ spec, path }) => ciliumFaults(spec, path, clusterwide));
    const missing = written.length === 0 ? [{ path: [], message: 'invalid CiliumNetworkPolicy spec(s), empty' }] : [];
    return { kind, ...base, specs: written.map(({ spec }) => spec), faults: [...missing, ...faults] };
  });
}
