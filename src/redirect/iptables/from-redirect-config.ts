import { formatCidr, formatIp } from '../../pods/address.ts';
import type { Port, RedirectConfig } from '../../pods/types.ts';
import type { IptablesConfig } from './types.ts';
import { defaultIptablesConfig } from './types.ts';

/** The iptables configuration that does for a pod what the eBPF back end does with the same `RedirectConfig`. `dualStack` overrides `ipv6`. */
export function fromRedirectConfig(redirect: RedirectConfig, options: { readonly dualStack?: boolean } = {}): IptablesConfig {
  const inbound = redirect.inboundPorts;
  const ranges = redirect.outboundRanges;
  return {
    ...defaultIptablesConfig,
    ProxyPort: redirect.outboundPort,
    InboundCapturePort: redirect.inboundPort,
    InboundTunnelPort: redirect.tunnelPort,
    ProxyUID: redirect.proxyUids.join(','),
    ProxyGID: redirect.proxyGids.join(','),
    InboundInterceptionMode: redirect.interceptionMode,
    InboundPortsInclude: inbound.kind === 'all' ? '*' : ports(inbound.ports),
    InboundPortsExclude: inbound.kind === 'all' ? ports(inbound.except) : '',
    OutboundIPRangesInclude: ranges.kind === 'all' ? '*' : ranges.cidrs.map(formatCidr).join(','),
    OutboundIPRangesExclude: redirect.outboundRangesExcluded.map(formatCidr).join(','),
    OutboundPortsInclude: ports(redirect.outboundPortsIncluded),
    OutboundPortsExclude: ports(redirect.outboundPortsExcluded),
    RerouteVirtualInterfaces: redirect.rerouteInterfaces.join(','),
    ExcludeInterfaces: redirect.excludeInterfaces.join(','),
    HostIPv4LoopbackCidr: formatCidr(redirect.loopback),
    EnableIPv6: redirect.ipv6,
    DualStack: options.dualStack ?? false,
    RedirectDNS: redirect.dns.kind !== 'off',
    CaptureAllDNS: redirect.dns.kind === 'all',
    DNSServersV4: servers(redirect, 4),
    DNSServersV6: servers(redirect, 6),
    DropInvalid: redirect.dropInvalid,
    OwnerGroupsInclude: redirect.ownerGroups.kind === 'all' ? '*' : redirect.ownerGroups.gids.join(','),
    OwnerGroupsExclude: redirect.ownerGroups.kind === 'all' ? redirect.ownerGroups.except.join(',') : '',
  };
}

function servers(redirect: RedirectConfig, family: 4 | 6): readonly string[] {
  if (redirect.dns.kind !== 'servers') return [];
  return redirect.dns.servers.filter((server) => server.family === family).map((server) => formatIp({ family, bytes: server.address }));
}

function ports(list: readonly Port[]): string {
  return list.join(',');
}
