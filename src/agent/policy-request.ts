import { z } from 'zod';
import type { PolicyOutcome, PolicyUpdate, TraceRequest } from '../api/policy-types.ts';
import { UserError } from '../base/errors.ts';
import { manifestFromJson } from '../manifests/from-json.ts';
import type { PolicyManifest } from '../manifests/types.ts';
import { formatIp, parseCidrOrIp, parseIp, unmapIp } from '../pods/address.ts';

/** Names a policy. */
export type PolicyName = Pick<PolicyOutcome, 'kind' | 'namespace' | 'name'>;

const kinds = ['CiliumNetworkPolicy', 'CiliumClusterwideNetworkPolicy', 'NetworkPolicy', 'ClusterNetworkPolicy'] as const;

/** Tables and comparisons know one way to write an address. */
const address = z.string().transform((text, context) => {
  const ip = parseIp(text);
  if (ip !== null) {
    const written = formatIp(unmapIp(ip));
    // nearly always it is, and the text that lives already is kept instead of another one
    return written === text ? text : written;
  }
  context.addIssue({ code: 'custom', message: 'no IP address' });
  return z.NEVER;
});
const range = z.string().refine((text) => parseCidrOrIp(text) !== null, 'no IP address or range');
const labels = z.record(z.string(), z.string());
const protocol = z.int().min(0).max(255);
const port = z.int().min(0).max(65535);
/** The manifest's body was checked by whoever read it from YAML; here only its head is. */
const manifest = z.custom<PolicyManifest>((value) => isPolicyHead(value), 'no policy with kind and metadata');
const namespaces = z.array(z.strictObject({ name: z.string(), labels }));
const services = z.array(
  z.strictObject({
    name: z.string(),
    namespace: z.string(),
    labels,
    selector: labels,
    clusterIPs: z.array(address),
    ports: z.array(z.strictObject({ name: z.string().nullable(), protocol, port })),
    externalEndpoints: z.array(range),
  }),
);
const nodes = z.array(z.strictObject({ name: z.string(), labels, addresses: z.array(address), local: z.boolean() }));
const pods = z.array(
  z.strictObject({
    name: z.string(),
    namespace: z.string(),
    labels,
    serviceAccount: z.string(),
    addresses: z.array(address).min(1),
    namedPorts: z.array(z.strictObject({ name: z.string(), protocol, port })),
    hostNetwork: z.boolean(),
    local: z.boolean(),
    workload: z.strictObject({ kind: z.string(), name: z.string() }).nullable(),
  }),
);
const update = z.strictObject({
  policies: z.array(manifest),
  namespaces,
  services,
  nodes,
  pods: pods.optional(),
  names: z.record(z.string(), z.array(address)).optional(),
});
const trace = z.strictObject({ source: address, destination: address, protocol, port });

/** A call's body as the whole list of policies and what they depend on. Throws UserError USAGE naming the field. */
export function parsePolicyUpdate(body: unknown): PolicyUpdate {
  const { pods, names, ...rest } = read(update, withManifests(body), 'the policies', 'policies, namespaces, services and nodes');
  return { ...rest, ...(pods === undefined ? {} : { pods }), ...(names === undefined ? {} : { names }) };
}

/** A call's body as policies to add or change. Throws UserError USAGE naming the field. */
export function parsePolicies(body: unknown): readonly PolicyManifest[] {
  return read(z.strictObject({ policies: z.array(manifest) }), withManifests(body), 'the policies', 'policies').policies;
}

/** `KIND/NAMESPACE/NAME`, the namespace empty for kinds of the whole cluster. Throws UserError USAGE. */
export function parsePolicyName(text: string): PolicyName {
  const [kind = '', namespace = '', name = '', ...more] = text.split('/');
  const known = kinds.find((candidate) => candidate === kind);
  if (known !== undefined && name !== '' && more.length === 0) return { kind: known, namespace, name };
  throw new UserError(
    'USAGE',
    `Cannot tell which policy is meant because the name is not KIND/NAMESPACE/NAME: current value ${JSON.stringify(text)}`,
    {
      cure: `Name one of ${kinds.join(', ')}, its namespace and its name.`,
    },
  );
}

/** A call's body as a question. Throws UserError USAGE naming the field. */
export function parseTrace(body: unknown): TraceRequest {
  return read(trace, body, 'the question', 'source, destination, protocol and port');
}

function read<T>(schema: z.ZodType<T>, body: unknown, what: string, fields: string): T {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new UserError(
    'USAGE',
    `Cannot take over ${what} because the request is wrong: ${issue?.path.join('.') || 'body'}: ${issue?.message ?? 'not an object'}`,
    { cure: `Send an object with ${fields} (src/api/policy-types.ts).` },
  );
}

/** Only manifests hold bytes. */
function withManifests(body: unknown): unknown {
  if (typeof body !== 'object' || body === null || !('policies' in body)) return body;
  return { ...body, policies: manifestFromJson(body.policies) };
}

function isPolicyHead(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || !('kind' in value) || !('metadata' in value)) return false;
  const { kind, metadata } = value;
  return (
    kinds.some((known) => known === kind) &&
    typeof metadata === 'object' &&
    metadata !== null &&
    'name' in metadata &&
    typeof metadata.name === 'string' &&
    'namespace' in metadata &&
    typeof metadata.namespace === 'string'
  );
}
