import { z } from 'zod';
import { fields, refuse, unused } from './fields.ts';
import { icmpType } from './icmp-types.ts';
import type { CiliumFqdn, CiliumHttpRule, CiliumIcmpField, CiliumPort, CiliumPortRule, CiliumProtocol } from './policy-types.ts';

const protocols = ['TCP', 'UDP', 'SCTP', 'VRRP', 'IGMP', 'ANY'] as const;

const protocol = z.unknown().transform((value, ctx): CiliumProtocol => {
  const known = protocols.find((name) => name === value);
  if (known !== undefined) return known;
  const icmp = value === 'ICMP' || value === 'ICMPv6';
  refuse(
    ctx,
    `must be one of ${protocols.join(', ')}`,
    icmp ? 'Write an icmps list in a rule of its own: toPorts has no ICMP.' : 'Write it in capitals; ANY is TCP, UDP and SCTP.',
  );
  return z.NEVER;
});

const port = fields({
  port: z.string().optional(),
  endPort: z.int().min(0).max(65535).optional(),
  protocol: protocol.optional(),
}).transform((raw): CiliumPort => ({ port: raw.port ?? '', endPort: raw.endPort ?? null, protocol: raw.protocol ?? 'ANY' }));

const headerMatch = fields({
  name: z.string().min(1),
  value: z.string().optional(),
  mismatch: z.enum(['LOG', 'ADD', 'DELETE', 'REPLACE']).optional(),
  ...unused('secret'),
}).transform((raw) => ({ name: raw.name, value: raw.value ?? null, mismatch: raw.mismatch ?? null }));

const httpRule = fields({
  path: z.string().optional(),
  method: z.string().optional(),
  host: z.string().optional(),
  headers: z.array(z.string()).optional(),
  headerMatches: z.array(headerMatch).optional(),
}).transform(
  (raw): CiliumHttpRule => ({
    path: raw.path ?? null,
    method: raw.method ?? null,
    host: raw.host ?? null,
    headers: raw.headers ?? [],
    headerMatches: raw.headerMatches ?? [],
  }),
);

/** matchName or matchPattern, of toFQDNs and of DNS rules. */
export const fqdn = fields({ matchName: z.string().optional(), matchPattern: z.string().optional() }).transform(
  (raw): CiliumFqdn => ({ matchName: raw.matchName ?? null, matchPattern: raw.matchPattern ?? null }),
);

const messageRules = fields({
  http: z.array(httpRule).optional(),
  dns: z.array(fqdn).optional(),
  kafka: z.array(z.unknown()).optional(),
  l7proto: z.string().optional(),
  l7: z.array(z.unknown()).optional(),
});

/** An item of toPorts that allows. */
export const portRule = fields({
  ports: z.array(port).optional(),
  rules: messageRules.optional(),
  serverNames: z.array(z.string()).optional(),
  listener: z.object({ name: z.string().optional() }).loose().optional(),
  terminatingTLS: z.unknown().optional(),
  originatingTLS: z.unknown().optional(),
}).transform((raw): CiliumPortRule => {
  const others: string[] = [];
  if (raw.rules?.kafka !== undefined) others.push('kafka');
  if (raw.rules?.l7proto !== undefined || raw.rules?.l7 !== undefined) others.push(raw.rules.l7proto === undefined ? 'l7' : 'l7proto');
  for (const field of ['serverNames', 'listener', 'terminatingTLS', 'originatingTLS'] as const) {
    if (raw[field] !== undefined) others.push(field);
  }
  return {
    ports: raw.ports ?? [],
    http: raw.rules?.http ?? null,
    dns: raw.rules?.dns ?? null,
    others,
    serverNames: raw.serverNames ?? [],
    listener: raw.listener === undefined ? null : (raw.listener.name ?? ''),
  };
});

/** An item of toPorts that denies: it has no conditions on messages. */
export const portDenyRule = fields({ ports: z.array(port).optional() }).transform(
  (raw): CiliumPortRule => ({ ports: raw.ports ?? [], http: null, dns: null, others: [], serverNames: [], listener: null }),
);

const icmpField = fields({ family: z.enum(['IPv4', 'IPv6']).optional(), type: z.unknown() }).transform((raw, ctx): CiliumIcmpField => {
  const family = raw.family ?? 'IPv4';
  const type = icmpType(family, raw.type);
  if (type === null)
    refuse(ctx, `must be an ICMP type of ${family}`, 'Write a number from 0 to 255, or a name like EchoRequest.', ['type']);
  return { family, type: type ?? 0 };
});

/** An item of icmps. */
export const icmpRule = fields({ fields: z.array(icmpField).optional() }).transform((raw) => raw.fields ?? []);
