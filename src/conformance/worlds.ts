import { parseCidrOrIp } from '../pods/address.ts';
import { redirectConfigFromAnnotations } from '../pods/annotations.ts';
import type { Cidr, RedirectConfig } from '../pods/types.ts';
import type { ProxyShape, World } from './types.ts';

/** A pod with Istio's defaults except for `config`. */
export function world(name: string, config: Partial<RedirectConfig> = {}, proxy: ProxyShape = 'up'): World {
  return { name, config, proxy, firstId: null };
}

/** Ranges from their text. @throws Error for text that is none: it is ours */
export function cidrs(...texts: readonly string[]): readonly Cidr[] {
  return texts.map((text) => {
    const cidr = parseCidrOrIp(text);
    if (cidr === null) throw new Error(`no range: ${text}`);
    return cidr;
  });
}

/** A pod configured by one of Istio's annotations, whose name is given without its prefix. */
function annotated(key: string, value: string): World {
  return world(
    `${key}=${value === '' ? '""' : value}`,
    redirectConfigFromAnnotations('conformance', { [`traffic.sidecar.istio.io/${key}`]: value }),
  );
}

const dnsServers = cidrs('10.96.0.10', '10.96.0.11');
const agentPort = 15053;

/** The configurations of the table. */
export const worlds = {
  standard: world('default'),
  proxyDown: world('default, proxy down', {}, 'down'),
  dual: world('default, proxy on dual-stack sockets', {}, 'dual'),
  loopbackProxy: world('default, proxy on loopback only', {}, 'loopback'),
  ipv4Only: world('EnableIPv6=false', { ipv6: false }),
  dropInvalid: world('INVALID_DROP=true', { dropInvalid: true }),
  userNamespace: { ...world('default, hostUsers: false'), firstId: 200_000 },

  excludeOutboundPorts: annotated('excludeOutboundPorts', '443,9300'),
  emptyItems: annotated('excludeOutboundPorts', '443,,9300,'),
  excludeOutboundRanges: annotated('excludeOutboundIPRanges', '198.51.100.0/24'),
  excludeAllIPv4: annotated('excludeOutboundIPRanges', '0.0.0.0/0'),
  includeOutboundRanges: annotated('includeOutboundIPRanges', '10.96.0.0/16'),
  includeHostBits: annotated('includeOutboundIPRanges', '10.96.0.9/16'),
  includeMixed: annotated('includeOutboundIPRanges', '10.96.0.0/16,2001:db8::/64'),
  includeNothing: annotated('includeOutboundIPRanges', ''),
  includeNothingButPort: world('includeOutboundIPRanges="", includeOutboundPorts=31000', {
    outboundRanges: { kind: 'only', cidrs: [] },
    outboundPortsIncluded: [31000],
  }),
  includeRangeOrPort: world('includeOutboundIPRanges=10.96.0.0/16, includeOutboundPorts=31000', {
    outboundRanges: { kind: 'only', cidrs: cidrs('10.96.0.0/16') },
    outboundPortsIncluded: [31000],
  }),
  excludeRangeIncludePort: world('excludeOutboundIPRanges=10.96.5.0/24, includeOutboundPorts=31000', {
    outboundRangesExcluded: cidrs('10.96.5.0/24'),
    outboundPortsIncluded: [31000],
  }),
  includeLoopback: annotated('includeOutboundIPRanges', '127.0.0.0/8,10.0.0.0/8'),
  includeLoopback6: annotated('includeOutboundIPRanges', '::1/128,fd00:9::/64'),
  groupsInclude: world('ISTIO_OUTBOUND_OWNER_GROUPS=2000,3000', { ownerGroups: { kind: 'only', gids: [2000, 3000] } }),
  groupsExclude: world('ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE=2000, DNS all', {
    ownerGroups: { kind: 'all', except: [2000] },
    dns: { kind: 'all', port: agentPort },
  }),
  groupsIncludeDns: world('ISTIO_OUTBOUND_OWNER_GROUPS=2000,3000, DNS all', {
    ownerGroups: { kind: 'only', gids: [2000, 3000] },
    dns: { kind: 'all', port: agentPort },
  }),
  wideLoopback: world('ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR=127.0.0.1/8', {
    loopback: { family: 4, address: Uint8Array.of(127, 0, 0, 0), prefix: 8 },
  }),
  twoOwners: world('ProxyUID=3,4 ProxyGID=1,2', { proxyUids: [3, 4], proxyGids: [1, 2] }),
  excludeInterface: world('excludeInterfaces=net1, DNS all', { excludeInterfaces: ['net1'], dns: { kind: 'all', port: agentPort } }),

  inboundList: world('includeInboundPorts=8080,15020, excludeInboundPorts=8080', {
    ...redirectConfigFromAnnotations('conformance', {
      'traffic.sidecar.istio.io/includeInboundPorts': '8080,15020',
      'traffic.sidecar.istio.io/excludeInboundPorts': '8080',
    }),
  }),
  inboundNothing: annotated('includeInboundPorts', ''),
  reroute: world('reroute-virtual-interfaces=net1', { rerouteInterfaces: ['net1'] }),
  rerouteRange: world('reroute-virtual-interfaces=net1, includeOutboundIPRanges=10.96.0.0/16', {
    rerouteInterfaces: ['net1'],
    outboundRanges: { kind: 'only', cidrs: cidrs('10.96.0.0/16') },
  }),

  dnsServers: world('DNS servers 10.96.0.10, 10.96.0.11', { dns: { kind: 'servers', port: agentPort, servers: dnsServers } }),
  dnsServers6: world('DNS servers 10.96.0.10, fd00:96::10, fd00:96::11', {
    dns: { kind: 'servers', port: agentPort, servers: cidrs('10.96.0.10', 'fd00:96::10', 'fd00:96::11') },
  }),
  dnsAll: world('DNS all', { dns: { kind: 'all', port: agentPort } }),
  dnsNoServers: world('REDIRECT_DNS without servers', { dns: { kind: 'servers', port: agentPort, servers: [] } }),
  dnsServersNoPort53: world('DNS servers, excludeOutboundPorts=53', {
    dns: { kind: 'servers', port: agentPort, servers: dnsServers },
    outboundPortsExcluded: [53],
  }),
  dnsAllNoPort53: world('DNS all, excludeOutboundPorts=53', { dns: { kind: 'all', port: agentPort }, outboundPortsExcluded: [53] }),
  dnsServersExcluded: world('DNS servers, excludeOutboundIPRanges=10.96.0.0/16', {
    dns: { kind: 'servers', port: agentPort, servers: dnsServers },
    outboundRangesExcluded: cidrs('10.96.0.0/16'),
  }),
  dnsAllExcluded: world('DNS all, excludeOutboundIPRanges=10.96.0.0/16', {
    dns: { kind: 'all', port: agentPort },
    outboundRangesExcluded: cidrs('10.96.0.0/16'),
  }),
  dnsServersNoAgent: world('DNS servers, agent down', { dns: { kind: 'servers', port: agentPort, servers: dnsServers } }, 'no-agent'),
  dnsAllNoAgent: world('DNS all, agent down', { dns: { kind: 'all', port: agentPort } }, 'no-agent'),

  tproxy: world('interceptionMode=TPROXY', { interceptionMode: 'TPROXY' }),
} as const satisfies Record<string, World>;
