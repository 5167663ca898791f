import { z } from 'zod';
import { fields, labelSelector, portNumber, refuse, text } from './fields.ts';
import { cidr } from './network-policy.ts';
import type { ClusterPeer, ClusterPolicyBody, ClusterPolicyRule, ClusterProtocol } from './policy-types.ts';
import { isRecord } from './yaml-tree.ts';

// The rules are those of the CRD (kubernetes-sigs/network-policy-api, v1alpha2, experimental channel).

const most = 25;

const domainName = text(
  (value) => /^(\*\.)?([a-zA-Z0-9]([-a-zA-Z0-9_]*[a-zA-Z0-9])?\.)+[a-zA-Z0-9]([-a-zA-Z0-9_]*[a-zA-Z0-9])?\.?$/.test(value),
  'must be a domain name',
  "Write it like 'kubernetes.io', or '*.kubernetes.io' for the names below it.",
);

const namespacedPod = fields({ namespaceSelector: labelSelector.optional(), podSelector: labelSelector });

/** The members that a peer may have, and how each is read. */
const members = {
  namespaces: labelSelector.transform((selector): ClusterPeer => ({ kind: 'namespaces', selector })),
  pods: namespacedPod.transform(
    ({ namespaceSelector, podSelector }): ClusterPeer => ({
      kind: 'pods',
      namespaceSelector: namespaceSelector ?? { matchLabels: {}, matchExpressions: [] },
      podSelector,
    }),
  ),
  nodes: labelSelector.transform((selector): ClusterPeer => ({ kind: 'nodes', selector })),
  networks: z
    .array(cidr)
    .min(1)
    .max(most)
    .transform((cidrs): ClusterPeer => ({ kind: 'networks', cidrs })),
  domainNames: z
    .array(domainName)
    .min(1)
    .max(most)
    .transform((names): ClusterPeer => ({ kind: 'domainNames', names })),
};

type Member = keyof typeof members;

/**
 * Exactly one member. One that is not known is no error: a newer CRD may have it, and the API asks an implementation that meets it to fail closed
 * (rather than to refuse the object and enforce nothing).
 */
function peerOf(allowed: readonly Member[]) {
  return z.unknown().transform((value, ctx): ClusterPeer => {
    if (!isRecord(value)) {
      refuse(ctx, 'must be a map', `Write one of ${allowed.join(', ')}.`);
      return z.NEVER;
    }
    const given = Object.keys(value);
    const known = allowed.filter((member) => Object.hasOwn(value, member));
    const [member] = known;
    if (member === undefined) return { kind: 'unknown', fields: given };
    if (given.length > 1) {
      refuse(ctx, 'must have exactly one member', 'Write each peer as a list item of its own.');
      return z.NEVER;
    }
    const read = members[member].safeParse(value[member]);
    if (read.success) return read.data;
    // The issues keep their own kinds, so that they are explained as everywhere; only their place is one deeper.
    for (const issue of read.error.issues)
      ctx.issues.push({ ...issue, path: [member, ...issue.path], input: value } as z.core.$ZodRawIssue);
    return z.NEVER;
  });
}

const range = fields({ start: portNumber, end: portNumber }).superRefine((value, ctx) => {
  if (value.start >= value.end)
    refuse(ctx, 'must be less than end', 'Start port must be less than End port; for one port write number.', ['start']);
});

const destinationPort = fields({ number: portNumber.optional(), range: range.optional() }).superRefine((value, ctx) => {
  if ((value.number === undefined) === (value.range === undefined))
    refuse(ctx, 'must have exactly one of number and range', 'Write a number, or a range with start and end.');
});

const ports = fields({ destinationPort: destinationPort.optional() }).superRefine((value, ctx) => {
  if (value.destinationPort === undefined)
    refuse(ctx, 'must not be empty', 'Write destinationPort, or leave protocols out to match everything.');
});

const protocolMatch = fields({
  tcp: ports.optional(),
  udp: ports.optional(),
  sctp: ports.optional(),
  destinationNamedPort: z.string().min(1).optional(),
}).transform((raw, ctx): ClusterProtocol => {
  const given = (['tcp', 'udp', 'sctp', 'destinationNamedPort'] as const).filter((member) => raw[member] !== undefined);
  const [only] = given;
  if (only === undefined || given.length > 1) {
    refuse(ctx, 'must have exactly one member', 'Write one of tcp, udp, sctp, destinationNamedPort in each list item.');
    return z.NEVER;
  }
  if (only === 'destinationNamedPort') return { kind: 'named', name: raw.destinationNamedPort ?? '' };
  const wanted = raw[only]?.destinationPort;
  const first = wanted?.number ?? wanted?.range?.start ?? null;
  return { kind: 'ports', protocol: protocolNames[only], first, last: wanted?.number ?? wanted?.range?.end ?? null };
});

const protocolNames = { tcp: 'TCP', udp: 'UDP', sctp: 'SCTP' } as const;

const common = {
  name: z.string().max(100).optional(),
  action: z.enum(['Accept', 'Deny', 'Pass']),
  protocols: z.array(protocolMatch).min(1).max(most).optional(),
};

const ingressRule = fields({
  ...common,
  from: z
    .array(peerOf(['namespaces', 'pods']))
    .min(1)
    .max(most),
}).transform(
  (raw): ClusterPolicyRule => ({ name: raw.name ?? null, action: raw.action, peers: raw.from, protocols: raw.protocols ?? null }),
);

const egressRule = fields({
  ...common,
  to: z
    .array(peerOf(['namespaces', 'pods', 'nodes', 'networks', 'domainNames']))
    .min(1)
    .max(most),
}).transform((raw, ctx): ClusterPolicyRule => {
  const kinds = new Set(raw.to.map(({ kind }) => kind));
  if (raw.action !== 'Accept' && kinds.has('domainNames'))
    refuse(ctx, 'must not have domainNames with another action than Accept', 'Accept the names, and deny the rest in a later rule.', [
      'to',
    ]);
  if ((kinds.has('networks') || kinds.has('nodes') || kinds.has('domainNames')) && raw.protocols?.some(({ kind }) => kind === 'named'))
    refuse(
      ctx,
      'must not have destinationNamedPort with networks, nodes or domainNames, which have no named ports',
      'Write the port as a number.',
      ['protocols'],
    );
  return { name: raw.name ?? null, action: raw.action, peers: raw.to, protocols: raw.protocols ?? null };
});

const subject = peerOf(['namespaces', 'pods']).transform((value, ctx): ClusterPolicyBody['subject'] => {
  if (value.kind === 'namespaces' || value.kind === 'pods') return value;
  refuse(ctx, 'must have exactly one of namespaces and pods', 'Write namespaces: {} to select every pod.');
  return z.NEVER;
});

/** spec of a ClusterNetworkPolicy (policy.networking.k8s.io/v1alpha2). */
export const clusterNetworkPolicySpec = fields({
  tier: z.enum(['Admin', 'Baseline']),
  priority: z.int().min(0).max(1000),
  subject,
  ingress: z.array(ingressRule).max(most).optional(),
  egress: z.array(egressRule).max(most).optional(),
}).transform(
  (raw): ClusterPolicyBody => ({
    tier: raw.tier,
    priority: raw.priority,
    subject: raw.subject,
    ingress: raw.ingress ?? [],
    egress: raw.egress ?? [],
  }),
);
