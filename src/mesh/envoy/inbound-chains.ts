import type { AuthorizationPolicyManifest } from '../../manifests/types.ts';
import { networkAuthorizationFilters } from '../authorization/filters.ts';
import { httpAuthorizationPlaces } from './authorization-filters.ts';
import type { ProxyContext } from './context.ts';
import { everythingTo, httpManager } from './http-manager.ts';
import type { EffectiveMutualTls } from './mutual-tls.ts';
import type { PortProtocol } from './protocol.ts';
import { tcpProxy } from './tcp-proxy.ts';
import { downstreamMutualTls, meshHttpOffers, meshOffers, plaintextHttp } from './transport.ts';
import type { Extension, FilterChain, FilterChainMatch } from './types.ts';

/** One way in at a port: which connections, whether the proxy ends their TLS, and what they carry. */
export interface ChainPlan {
  readonly name: 'mtls-http' | 'mtls-tcp' | 'http' | 'tcp' | 'application-tls';
  readonly match: Omit<FilterChainMatch, 'destination_port'>;
  readonly mutualTls: boolean;
  readonly carries: 'http' | 'tcp';
}

const tls = { transport_protocol: 'tls' } as const;
const raw = { transport_protocol: 'raw_buffer' } as const;

const mutualHttp: ChainPlan = { name: 'mtls-http', match: tls, mutualTls: true, carries: 'http' };
const mutualTcp: ChainPlan = { name: 'mtls-tcp', match: tls, mutualTls: true, carries: 'tcp' };
const plainHttp: ChainPlan = { name: 'http', match: raw, mutualTls: false, carries: 'http' };
const plainTcp: ChainPlan = { name: 'tcp', match: raw, mutualTls: false, carries: 'tcp' };
/** TLS of the application's own, which the proxy cannot end. */
const applicationTls: ChainPlan = { name: 'application-tls', match: tls, mutualTls: false, carries: 'tcp' };

/** Narrows a plan by ALPN: what a client's proxy offers, or what http_inspector found. */
function offering(plan: ChainPlan, protocols: readonly string[]): ChainPlan {
  return { ...plan, match: { ...plan.match, application_protocols: protocols } };
}

/** No TLS is looked for where TLS is not expected: everything is plaintext. */
function uninspected(plan: ChainPlan): ChainPlan {
  const { application_protocols } = plan.match;
  return { ...plan, match: application_protocols === undefined ? {} : { application_protocols } };
}

/**
 * The ways in, by declared protocol and mode. STRICT has none for plaintext: Envoy finds no filter chain and closes the connection.
 * PERMISSIVE tells the mesh's TLS from the application's own by the ALPN offer, except at HTTP ports, where the application has none.
 */
export function chainPlans(protocol: PortProtocol, mode: EffectiveMutualTls): readonly ChainPlan[] {
  switch (protocol) {
    case 'http':
    case 'http2':
      return { STRICT: [mutualHttp], PERMISSIVE: [mutualHttp, plainHttp], DISABLE: [uninspected(plainHttp)] }[mode];
    case 'tcp':
      return {
        STRICT: [mutualTcp],
        PERMISSIVE: [offering(mutualTcp, meshOffers), applicationTls, plainTcp],
        DISABLE: [uninspected(plainTcp)],
      }[mode];
    case 'auto':
      return {
        STRICT: [offering(mutualHttp, meshHttpOffers), mutualTcp],
        PERMISSIVE: [
          offering(mutualHttp, meshHttpOffers),
          offering(mutualTcp, ['istio', 'istio-peer-exchange']),
          offering(plainHttp, plaintextHttp),
          applicationTls,
          plainTcp,
        ],
        DISABLE: [uninspected(offering(plainHttp, plaintextHttp)), uninspected(plainTcp)],
      }[mode];
  }
}

/** The filter chains of one port of the application. */
export function inboundChains(
  context: ProxyContext,
  policies: readonly AuthorizationPolicyManifest[],
  port: {
    /** Begins the chains' names and statistics: `0.0.0.0_8000`. */
    readonly name: string;
    /** null: the chains are for every port that has none of its own, or for a listener of one port. */
    readonly destinationPort: number | null;
    readonly protocol: PortProtocol;
    readonly mode: EffectiveMutualTls;
    readonly cluster: string;
  },
): readonly FilterChain[] {
  const { trustDomain } = context.snapshot;
  return chainPlans(port.protocol, port.mode).map((plan) => ({
    name: `${port.name}_${plan.name}`,
    filter_chain_match: { ...(port.destinationPort === null ? {} : { destination_port: port.destinationPort }), ...plan.match },
    ...(plan.mutualTls
      ? { transport_socket: downstreamMutualTls(context.directory, trustDomain), transport_socket_connect_timeout: '15s' as const }
      : {}),
    filters: [
      ...(plan.carries === 'http'
        ? [
            httpManager({
              direction: 'inbound',
              statPrefix: `inbound_${port.name}`,
              routes: { kind: 'inline', routes: everythingTo(port.cluster, 'default') },
              filters: httpAuthorizationPlaces(policies, context.directory),
            }),
          ]
        : [...networkFilters(policies, trustDomain), tcpProxy(port.cluster)]),
    ],
  }));
}

function networkFilters(policies: readonly AuthorizationPolicyManifest[], trustDomain: string): readonly Extension[] {
  return networkAuthorizationFilters(policies, { trustDomain }).map(({ name, typed_config: { '@type': _type, ...rules } }) => ({
    name,
    typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC', ...rules },
  }));
}
