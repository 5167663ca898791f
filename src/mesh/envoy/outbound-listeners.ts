import type { ProxyContext } from './context.ts';
import { socketAddress, wildcardAddress } from './context.ts';
import { serviceEndpoints } from './endpoints.ts';
import { everythingTo, httpManager, offerHttp } from './http-manager.ts';
import { httpInspector, inspectionTimeout } from './listener-filters.ts';
import { wellKnownClusters } from './names.ts';
import type { OutboundPort } from './outbound-clusters.ts';
import { outboundPorts } from './outbound-clusters.ts';
import { httpPorts } from './routes.ts';
import { tcpProxy } from './tcp-proxy.ts';
import { plaintextHttp } from './transport.ts';
import type { FilterChain, Listener } from './types.ts';

/**
 * The outbound side. `virtualOutbound` is the only listener with a socket; it looks up what the client dialled and hands the connection to
 * the listener of that address, else to `0.0.0.0` of that port, else keeps it and passes it through. The others have no socket.
 */
export function outboundListeners(context: ProxyContext): readonly Listener[] {
  return [virtualOutbound(context), ...httpListeners(context), ...addressListeners(context)];
}

function virtualOutbound(context: ProxyContext): Listener {
  return {
    '@type': 'type.googleapis.com/envoy.config.listener.v3.Listener',
    name: 'virtualOutbound',
    // A wildcard: iptables sends connections to 127.0.0.1 and ::1, the connect hook spreads them over 127.128.0.0/9.
    ...wildcardAddress(context, context.outboundPort),
    traffic_direction: 'OUTBOUND',
    // Envoy adds the original_dst listener filter for this by itself.
    use_original_dst: true,
    filter_chains: blackHoleChains(context, 'virtualOutbound'),
    default_filter_chain: passthroughChain('virtualOutbound-catchall-tcp'),
  };
}

/** Connections to the proxy's own ports end here: passed on, they would come back for ever. */
export function blackHoleChains(context: ProxyContext, prefix: string): readonly FilterChain[] {
  return [context.outboundPort, context.inboundPort].map((port) => ({
    name: `${prefix}-blackhole-${port}`,
    filter_chain_match: { destination_port: port },
    filters: [tcpProxy(wellKnownClusters.blackHole)],
  }));
}

function passthroughChain(name: string): FilterChain {
  return { name, filters: [tcpProxy(wellKnownClusters.passthrough)] };
}

function httpListeners(context: ProxyContext): readonly Listener[] {
  return [...httpPorts(context).keys()].map((port) => ({
    '@type': 'type.googleapis.com/envoy.config.listener.v3.Listener',
    name: `0.0.0.0_${port}`,
    ...wildcardAddress(context, port),
    traffic_direction: 'OUTBOUND',
    bind_to_port: false,
    listener_filters: [httpInspector],
    ...inspectionTimeout,
    filter_chains: [
      {
        name: 'http',
        filter_chain_match: { application_protocols: plaintextHttp },
        filters: [
          httpManager({
            direction: 'outbound',
            statPrefix: `outbound_0.0.0.0_${port}`,
            routes: { kind: 'file', directory: context.directory, file: `rds/${port}.json`, name: String(port) },
            filters: [],
          }),
        ],
      },
    ],
    // The port belongs to an HTTP service, but this address may be another's.
    default_filter_chain: passthroughChain('passthrough'),
  }));
}

/** One listener for each cluster address (headless: each pod address) and port whose protocol is not declared as HTTP. */
function addressListeners(context: ProxyContext): readonly Listener[] {
  const byName = new Map<string, Listener>();
  for (const outbound of outboundPorts(context.snapshot)) {
    if (outbound.protocol === 'http' || outbound.protocol === 'http2') continue;
    for (const address of dialledAddresses(context, outbound)) {
      const name = `${address}_${outbound.port.port}`;
      // Two headless services may have a pod and a port in common; Envoy takes an address once.
      if (!byName.has(name)) byName.set(name, addressListener(name, address, outbound));
    }
  }
  return [...byName.values()];
}

function dialledAddresses(context: ProxyContext, { service, port }: OutboundPort): readonly string[] {
  if (!service.headless) return service.clusterIPs;
  return serviceEndpoints(context.snapshot, service, port)
    .flatMap((endpoint) => endpoint.workload.addresses)
    .filter((address) => !context.workload.addresses.includes(address));
}

function addressListener(name: string, address: string, { port, protocol, cluster }: OutboundPort): Listener {
  const bytes: FilterChain = { name: 'tcp', filters: [tcpProxy(cluster)] };
  return {
    '@type': 'type.googleapis.com/envoy.config.listener.v3.Listener',
    name,
    address: socketAddress(address, port.port),
    traffic_direction: 'OUTBOUND',
    bind_to_port: false,
    ...(protocol === 'auto'
      ? {
          listener_filters: [httpInspector],
          ...inspectionTimeout,
          filter_chains: [foundHttpChain(name, cluster, 'http', ['http/1.0', 'http/1.1']), foundHttpChain(name, cluster, 'http2', ['h2c'])],
          default_filter_chain: bytes,
        }
      : { filter_chains: [bytes] }),
  };
}

function foundHttpChain(
  listener: string,
  cluster: string,
  version: 'http' | 'http2',
  protocols: readonly (typeof plaintextHttp)[number][],
): FilterChain {
  return {
    name: version,
    filter_chain_match: { application_protocols: protocols },
    filters: [
      httpManager({
        direction: 'outbound',
        statPrefix: `outbound_${listener}`,
        routes: { kind: 'inline', routes: everythingTo(cluster, 'default') },
        filters: [offerHttp(version)],
      }),
    ],
  };
}
