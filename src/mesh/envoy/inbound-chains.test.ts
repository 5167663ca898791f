import { describe, expect, it } from 'vitest';
import { chainPlans } from './inbound-chains.ts';

/** What each kind of connection meets: the plan's name, or null where Envoy finds no filter chain and closes. */
function met(
  plans: ReturnType<typeof chainPlans>,
  connection: { readonly tls: boolean; readonly found: readonly string[] },
): string | null {
  const fits = plans.filter(
    ({ match }) => match.transport_protocol === undefined || (match.transport_protocol === 'tls') === connection.tls,
  );
  // As Envoy: a chain that names the protocol wins over one that names none.
  const named = fits.find(({ match }) => match.application_protocols?.some((protocol) => connection.found.includes(protocol)) === true);
  return (named ?? fits.find(({ match }) => match.application_protocols === undefined))?.name ?? null;
}

const connections = {
  meshHttp: { tls: true, found: ['istio-http/1.1', 'istio', 'http/1.1'] },
  meshTcp: { tls: true, found: ['istio-peer-exchange', 'istio'] },
  ownTls: { tls: true, found: ['h2', 'http/1.1'] },
  plainHttp: { tls: false, found: ['http/1.1'] },
  plainBytes: { tls: false, found: [] },
} as const;

describe('chainPlans()', () => {
  it.each([
    ['http', 'STRICT', ['mtls-http', 'mtls-http', 'mtls-http', null, null]],
    ['http', 'PERMISSIVE', ['mtls-http', 'mtls-http', 'mtls-http', 'http', 'http']],
    ['http', 'DISABLE', ['http', 'http', 'http', 'http', 'http']],
    ['http2', 'STRICT', ['mtls-http', 'mtls-http', 'mtls-http', null, null]],
    ['tcp', 'STRICT', ['mtls-tcp', 'mtls-tcp', 'mtls-tcp', null, null]],
    ['tcp', 'PERMISSIVE', ['mtls-tcp', 'mtls-tcp', 'application-tls', 'tcp', 'tcp']],
    ['tcp', 'DISABLE', ['tcp', 'tcp', 'tcp', 'tcp', 'tcp']],
    ['auto', 'STRICT', ['mtls-http', 'mtls-tcp', 'mtls-tcp', null, null]],
    ['auto', 'PERMISSIVE', ['mtls-http', 'mtls-tcp', 'application-tls', 'http', 'tcp']],
    ['auto', 'DISABLE', ['tcp', 'tcp', 'tcp', 'http', 'tcp']],
  ] as const)('sends connections at a %s port in mode %s where they belong', (protocol, mode, expected) => {
    const plans = chainPlans(protocol, mode);
    // Without inspection (DISABLE) TLS is bytes like any other.
    const seen = Object.values(connections).map((connection) =>
      met(plans, mode === 'DISABLE' && connection.tls ? { tls: false, found: [] } : connection),
    );
    expect(seen).toEqual(expected);
  });

  it('ends TLS only where it asks for a client certificate', () => {
    for (const plan of chainPlans('auto', 'PERMISSIVE')) expect(plan.mutualTls).toBe(plan.name.startsWith('mtls-'));
  });
});
