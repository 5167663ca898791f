import { z } from 'zod';
import { formatIp, parseIp } from '../pods/address.ts';
import { dnsLabel, fields, labels, nonEmpty, portNumber, portOrName, protocol, refuse, unused } from './fields.ts';
import type { ServiceManifest } from './types.ts';

const servicePort = fields({
  name: dnsLabel.optional(),
  port: portNumber,
  targetPort: portOrName.optional(),
  protocol,
  appProtocol: nonEmpty.optional(),
  ...unused('nodePort'),
});

const serviceType = z.unknown().transform((value, ctx): ServiceManifest['type'] => {
  if (value === 'ClusterIP' || value === 'NodePort' || value === 'LoadBalancer') return value;
  if (value === 'ExternalName')
    refuse(ctx, 'is not supported by the lab', 'Use ClusterIP and a selector; the lab has no names outside it.');
  else refuse(ctx, 'must be one of ClusterIP, NodePort, LoadBalancer', 'Write ClusterIP, or leave it out.');
  return z.NEVER;
});

const clusterIp = z.string().superRefine((value, ctx) => {
  if (value !== '' && value !== 'None' && parseIp(value) === null)
    refuse(ctx, 'must be an IP address, None or empty', 'Leave it out to have one chosen.');
});

/** Kubernetes' default: three hours. */
const defaultAffinitySeconds = 10_800;

/** spec of a Service (v1). */
export const serviceSpec = fields({
  type: serviceType.optional(),
  clusterIP: clusterIp.optional(),
  clusterIPs: z.array(clusterIp).max(2).optional(),
  selector: labels.optional(),
  ports: z.array(servicePort).optional(),
  ...unused('allocateLoadBalancerNodePorts', 'externalIPs', 'externalName', 'externalTrafficPolicy', 'healthCheckNodePort'),
  ...unused('internalTrafficPolicy', 'ipFamilies', 'ipFamilyPolicy', 'loadBalancerClass', 'loadBalancerIP', 'loadBalancerSourceRanges'),
  sessionAffinity: z.enum(['None', 'ClientIP']).optional(),
  sessionAffinityConfig: fields({ clientIP: fields({ timeoutSeconds: z.int().min(1).max(86400).optional() }).optional() }).optional(),
  ...unused('publishNotReadyAddresses', 'trafficDistribution'),
}).transform((raw, ctx) => {
  const clusterIP = canonicalIp(raw.clusterIP || raw.clusterIPs?.[0] || null);
  const ports = raw.ports ?? [];
  if (ports.length === 0 && clusterIP !== 'None')
    refuse(ctx, 'must not be empty', 'Give at least one port; only a headless Service may have none.', ['ports']);
  const names = new Set<string>();
  const numbers = new Set<string>();
  for (const [index, port] of ports.entries()) {
    if (port.name === undefined && ports.length > 1)
      refuse(ctx, 'is missing', 'Name each port, because there are several.', ['ports', index, 'name']);
    if (port.name !== undefined && names.has(port.name))
      refuse(ctx, 'is the name of another port', 'Give each port its own name.', ['ports', index, 'name']);
    const number = `${port.port}/${port.protocol}`;
    if (numbers.has(number)) refuse(ctx, 'is given twice for one protocol', 'Remove one of the two.', ['ports', index, 'port']);
    if (port.name !== undefined) names.add(port.name);
    numbers.add(number);
  }
  return {
    type: raw.type ?? 'ClusterIP',
    clusterIP,
    selector: raw.selector ?? {},
    affinitySeconds:
      raw.sessionAffinity === 'ClientIP' ? (raw.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? defaultAffinitySeconds) : 0,
    ports: ports.map((port) => ({
      name: port.name ?? null,
      port: port.port,
      targetPort: port.targetPort ?? port.port,
      protocol: port.protocol,
      appProtocol: port.appProtocol ?? null,
    })),
  };
});

function canonicalIp(text: string | null): string | null {
  const ip = text === null ? null : parseIp(text);
  return ip === null ? text : formatIp(ip);
}
