import { formatCidr } from '../../pods/address.ts';
import type { Port, RedirectConfig } from '../../pods/types.ts';
import type { IptablesConfig } from './types.ts';
import { defaultIptablesConfig } from './types.ts';

/** What the rules need and a pod's annotations do not say. Each absent field leaves the default. */
export interface FromRedirectOptions {
  /** Overrides the pod's own `ipv6`. */
  readonly ipv6?: boolean;
  readonly dualStack?: boolean;
  readonly redirectDns?: boolean;
  /** The CNI plugin sets it to the value of `redirectDns` (contract A.1). */
  readonly captureAllDns?: boolean;
  readonly dnsServersV4?: readonly string[];
  readonly dnsServersV6?: readonly string[];
  readonly dropInvalid?: boolean;
  /** `*` or a list, as ISTIO_OUTBOUND_OWNER_GROUPS. */
  readonly ownerGroupsInclude?: string;
  readonly ownerGroupsExclude?: string;
}

/** The iptables configuration that does for a pod what the eBPF back end does with the same `RedirectConfig`. */
export function fromRedirectConfig(redirect: RedirectConfig, options: FromRedirectOptions = {}): IptablesConfig {
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
    EnableIPv6: options.ipv6 ?? redirect.ipv6,
    DualStack: options.dualStack ?? false,
    RedirectDNS: options.redirectDns ?? false,
    CaptureAllDNS: options.captureAllDns ?? false,
    DNSServersV4: options.dnsServersV4 ?? [],
    DNSServersV6: options.dnsServersV6 ?? [],
    DropInvalid: options.dropInvalid ?? false,
    OwnerGroupsInclude: options.ownerGroupsInclude ?? '*',
    OwnerGroupsExclude: options.ownerGroupsExclude ?? '',
  };
}

function ports(list: readonly Port[]): string {
  return list.join(',');
}
