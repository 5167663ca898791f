import { z } from 'zod';
import { cidrContains, parseCidr } from '../pods/address.ts';
import type { Cidr } from '../pods/types.ts';
import { fields, labelSelector, portNumber, portOrName, protocol, refuse } from './fields.ts';
import type { NetworkPolicyBody, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicyRule } from './policy-types.ts';

// The rules are those of the API server's validation, so that what passes here passes on a cluster.

/** A range of addresses with its mask. */
export const cidr = z.string().transform((value, ctx): Cidr => {
  const range = parseCidr(value);
  if (range !== null) return range;
  refuse(ctx, 'must be a range of addresses', 'Write it with its mask, like 10.0.0.0/8 or 2001:db8::/32.');
  return z.NEVER;
});

const ipBlock = fields({ cidr, except: z.array(cidr).optional() }).transform((raw, ctx): NetworkPolicyPeer => {
  const except = raw.except ?? [];
  for (const [index, part] of except.entries()) {
    if (part.prefix <= raw.cidr.prefix || !cidrContains(raw.cidr, { family: part.family, bytes: part.address }))
      refuse(ctx, 'must be a strict subset of cidr', 'Write a range that lies inside cidr, or remove it.', ['except', index]);
  }
  return { kind: 'ipBlock', cidr: raw.cidr, except };
});

const peer = fields({
  podSelector: labelSelector.optional(),
  namespaceSelector: labelSelector.optional(),
  ipBlock: ipBlock.optional(),
}).transform((raw, ctx): NetworkPolicyPeer => {
  if (raw.ipBlock !== undefined) {
    if (raw.podSelector !== undefined || raw.namespaceSelector !== undefined)
      refuse(ctx, 'may not have both ipBlock and another peer', 'Write ipBlock as a list item of its own.');
    return raw.ipBlock;
  }
  if (raw.podSelector === undefined && raw.namespaceSelector === undefined)
    refuse(
      ctx,
      'must specify a peer',
      'Write podSelector, namespaceSelector or ipBlock; {} inside podSelector selects every pod of the namespace.',
    );
  return { kind: 'pods', podSelector: raw.podSelector ?? null, namespaceSelector: raw.namespaceSelector ?? null };
});

const port = fields({ protocol, port: portOrName.optional(), endPort: portNumber.optional() }).transform((raw, ctx): NetworkPolicyPort => {
  if (raw.endPort !== undefined) {
    if (typeof raw.port !== 'number')
      refuse(ctx, 'may not be given when port is missing or a name', 'Write port as a number.', ['endPort']);
    else if (raw.endPort < raw.port) refuse(ctx, 'must be greater than or equal to port', 'Swap the two.', ['endPort']);
  }
  return { protocol: raw.protocol, port: raw.port ?? null, endPort: raw.endPort ?? null };
});

const ingressRule = fields({ from: z.array(peer).optional(), ports: z.array(port).optional() }).transform(
  (raw): NetworkPolicyRule => ({ peers: raw.from ?? [], ports: raw.ports ?? [] }),
);

const egressRule = fields({ to: z.array(peer).optional(), ports: z.array(port).optional() }).transform(
  (raw): NetworkPolicyRule => ({ peers: raw.to ?? [], ports: raw.ports ?? [] }),
);

/** spec of a NetworkPolicy (networking.k8s.io/v1). */
export const networkPolicySpec = fields({
  podSelector: labelSelector.optional(),
  ingress: z.array(ingressRule).optional(),
  egress: z.array(egressRule).optional(),
  policyTypes: z
    .array(z.enum(['Ingress', 'Egress']))
    .max(2)
    .optional(),
}).transform((raw): NetworkPolicyBody => {
  const ingress = raw.ingress ?? [];
  const egress = raw.egress ?? [];
  const types = raw.policyTypes ?? [];
  const implied = egress.length > 0 ? (['Ingress', 'Egress'] as const) : (['Ingress'] as const);
  return {
    podSelector: raw.podSelector ?? { matchLabels: {}, matchExpressions: [] },
    policyTypes: types.length > 0 ? [...new Set(types)] : implied,
    ingress,
    egress,
  };
});
