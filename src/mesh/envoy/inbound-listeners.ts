import type { AuthorizationPolicyManifest } from '../../manifests/types.ts';
import { refusedConnectionLog } from './access-log.ts';
import { endpointsCluster, originalDestinationCluster, passthroughSource, upstreamHttp } from './clusters.ts';
import type { ProxyContext } from './context.ts';
import { hasIPv6, socketAddress, wildcardAddress } from './context.ts';
import { inboundChains } from './inbound-chains.ts';
import type { InboundPort } from './inbound-ports.ts';
import { inboundPorts, isCaptured } from './inbound-ports.ts';
import { httpInspector, inspectionTimeout, inspectOnly, originalDestination, tlsInspector } from './listener-filters.ts';
import type { EffectiveMutualTls } from './mutual-tls.ts';
import { effectiveMutualTls } from './mutual-tls.ts';
import { inboundClusterName, wellKnownClusters } from './names.ts';
import { blackHoleChains } from './outbound-listeners.ts';
import type { PortProtocol } from './protocol.ts';
import { tcpProxy } from './tcp-proxy.ts';
import type { Cluster, FilterChain, Listener, ListenerFilter } from './types.ts';

/** A known port with the mode that its callers meet. */
interface GuardedPort extends InboundPort {
  readonly mode: EffectiveMutualTls;
}

/**
 * The inbound side. Where connections are captured (iptables, sk_lookup) it is one listener, `virtualInbound`, with filter chains by the port
 * that the client dialled. Where the application's bind was rewritten, the proxy itself listens at each address and port, and `virtualInbound`
 * is left with what the proxy sends to its own pod, which every redirection turns to this port.
 */
export function inboundListeners(context: ProxyContext, policies: readonly AuthorizationPolicyManifest[]): readonly Listener[] {
  const ports = guardedPorts(context);
  return isBind(context)
    ? [selfCallsInbound(context), ...boundListeners(context, policies, ports)]
    : [virtualInbound(context, policies, ports)];
}

/** The clusters that lead to the application. */
export function inboundClusters(context: ProxyContext): readonly Cluster[] {
  const http = { typed_extension_protocol_options: upstreamHttp('as-downstream') };
  if (isBind(context)) {
    return guardedPorts(context).map(({ port }) => loopbackCluster(context, port));
  }
  const toApplication = { ...http, upstream_bind_config: passthroughSource };
  return [
    ...guardedPorts(context).map(({ port }) => originalDestinationCluster(inboundClusterName(port), toApplication)),
    originalDestinationCluster(wellKnownClusters.inboundPassthrough, toApplication),
  ];
}

/** Whether any way in carries HTTP, so that HTTP policies have a place. A capturing listener always has one: for ports that nobody declared. */
export function carriesHttp(context: ProxyContext): boolean {
  return !isBind(context) || guardedPorts(context).some(({ protocol }) => protocol !== 'tcp');
}

function isBind({ backend }: ProxyContext): boolean {
  return backend.kind === 'ebpf' && backend.inbound === 'bind';
}

function guardedPorts(context: ProxyContext): readonly GuardedPort[] {
  const { snapshot, workload } = context;
  return inboundPorts(snapshot, workload)
    .filter(({ port }) => port !== context.outboundPort && port !== context.inboundPort)
    .filter(({ port }) => !isBind(context) || isCaptured(context.inboundPorts, port))
    .map((inbound) => ({ ...inbound, mode: effectiveMutualTls(snapshot, workload, inbound.port) }));
}

function virtualInbound(context: ProxyContext, policies: readonly AuthorizationPolicyManifest[], ports: readonly GuardedPort[]): Listener {
  const otherMode = effectiveMutualTls(context.snapshot, context.workload, null);
  return {
    '@type': 'type.googleapis.com/envoy.config.listener.v3.Listener',
    name: 'virtualInbound',
    ...wildcardAddress(context, context.inboundPort),
    traffic_direction: 'INBOUND',
    listener_filters: [
      // sk_lookup leaves the dialled address in the socket, but ORIGINAL_DST clusters take only what this filter restored; and the proxy's calls to
      // its own pod are rewritten. The kernel answers SO_ORIGINAL_DST for both.
      originalDestination,
      ...inspectors(ports, { protocol: 'auto', mode: otherMode }),
    ],
    ...inspectionTimeout,
    filter_chains: [
      ...blackHoleChains(context, 'virtualInbound'),
      ...ports.flatMap(({ port, protocol, mode }) =>
        inboundChains(context, policies, {
          name: `0.0.0.0_${port}`,
          destinationPort: port,
          protocol,
          mode,
          cluster: inboundClusterName(port),
        }),
      ),
      ...inboundChains(context, policies, {
        name: 'virtualInbound-catchall',
        destinationPort: null,
        protocol: 'auto',
        mode: otherMode,
        cluster: wellKnownClusters.inboundPassthrough,
      }),
    ],
    access_log: refusedConnectionLog,
  };
}

/**
 * Hands a call of the pod to itself (by a service that it is part of) to the listener of the address that was dialled. What has none ends here:
 * a way in without filter chains would be a way around them.
 */
function selfCallsInbound(context: ProxyContext): Listener {
  return {
    '@type': 'type.googleapis.com/envoy.config.listener.v3.Listener',
    name: 'virtualInbound',
    ...wildcardAddress(context, context.inboundPort),
    traffic_direction: 'INBOUND',
    use_original_dst: true,
    filter_chains: [],
    default_filter_chain: { name: 'virtualInbound-blackhole', filters: [tcpProxy(wellKnownClusters.blackHole)] },
  };
}

/** One listener for each address and port of the application. */
function boundListeners(
  context: ProxyContext,
  policies: readonly AuthorizationPolicyManifest[],
  ports: readonly GuardedPort[],
): readonly Listener[] {
  return ports.flatMap(({ port, protocol, mode }) =>
    context.workload.addresses.map((address) => ({
      '@type': 'type.googleapis.com/envoy.config.listener.v3.Listener' as const,
      name: `${address}_${port}`,
      address: socketAddress(address, port),
      traffic_direction: 'INBOUND' as const,
      listener_filters: inspectors([], { protocol, mode }),
      ...inspectionTimeout,
      filter_chains: [
        ...inboundChains(context, policies, {
          name: `${address}_${port}`,
          destinationPort: null,
          protocol,
          mode,
          cluster: inboundClusterName(port),
        }),
        // Where plaintext is taken anyway, it cannot be told from the proxy's own calls, which policies judge.
        ...(mode === 'DISABLE' ? [] : [ownPodChain(`${address}_${port}`, port)]),
      ],
      access_log: refusedConnectionLog,
    })),
  );
}

/**
 * An application that calls the address of its own pod calls itself: no mutual TLS, no policy, as with every other redirection, where such a
 * connection meets no proxy. Nobody else can have this source address.
 */
function ownPodChain(name: string, port: number): FilterChain {
  return {
    name: `${name}_own-pod`,
    filter_chain_match: { transport_protocol: 'raw_buffer', source_type: 'SAME_IP_OR_LOOPBACK' },
    filters: [tcpProxy(inboundClusterName(port))],
  };
}

/** The application at its loopback address. Which family its rewritten bind ended in is not known here: Envoy tries both in turn. */
function loopbackCluster(context: ProxyContext, port: number): Cluster {
  const endpoint = {
    address: socketAddress('127.0.0.1', port),
    ...(hasIPv6(context.workload) ? { additional_addresses: [{ address: socketAddress('::1', port) }] } : {}),
  };
  return endpointsCluster(inboundClusterName(port), [{ lb_endpoints: [{ endpoint }] }], {
    typed_extension_protocol_options: upstreamHttp('as-downstream'),
  });
}

/** TLS is looked for where it may come; HTTP where plaintext may come whose protocol is not declared. */
function inspectors(
  ports: readonly GuardedPort[],
  others: { readonly protocol: PortProtocol; readonly mode: EffectiveMutualTls },
): readonly ListenerFilter[] {
  const limitedTo = (needs: (port: { readonly protocol: PortProtocol; readonly mode: EffectiveMutualTls }) => boolean) => ({
    needed: ports.filter(needs).map(({ port }) => port),
    unneeded: ports.filter((port) => !needs(port)).map(({ port }) => port),
    otherPorts: needs(others),
  });
  return [
    ...inspectOnly(
      tlsInspector,
      limitedTo(({ mode }) => mode !== 'DISABLE'),
    ),
    ...inspectOnly(
      httpInspector,
      limitedTo(({ protocol, mode }) => protocol === 'auto' && mode !== 'STRICT'),
    ),
  ];
}
