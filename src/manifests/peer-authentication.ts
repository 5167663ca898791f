import { z } from 'zod';
import { noTarget, workloadSelector } from './authorization-policy.ts';
import { fields, refuse } from './fields.ts';
import type { MutualTlsMode } from './types.ts';

const mutualTls = fields({ mode: z.enum(['UNSET', 'DISABLE', 'PERMISSIVE', 'STRICT']).optional() }).transform((raw) => raw.mode ?? 'UNSET');

/** spec of a PeerAuthentication (security.istio.io/v1, v1beta1). */
export const peerAuthenticationSpec = fields({
  selector: workloadSelector.optional(),
  mtls: mutualTls.optional(),
  portLevelMtls: z.record(z.string(), mutualTls).optional(),
  targetRefs: noTarget.optional(),
}).transform((raw, ctx) => {
  const portLevel: Record<number, MutualTlsMode> = {};
  for (const [key, mode] of Object.entries(raw.portLevelMtls ?? {})) {
    const port = /^[1-9][0-9]{0,4}$/.test(key) ? Number(key) : 0;
    if (port < 1 || port > 65535)
      refuse(ctx, 'has a key that is not a port from 1 to 65535', 'Use the number of the container port.', ['portLevelMtls', key]);
    else portLevel[port] = mode;
  }
  // Istio: a port says nothing while the workload is not named.
  if (raw.portLevelMtls !== undefined && raw.selector === undefined) {
    refuse(ctx, 'needs spec.selector', 'Add a selector: ports belong to a workload.', ['portLevelMtls']);
  }
  return { selector: raw.selector ?? null, mode: raw.mtls ?? 'UNSET', portLevel };
});
