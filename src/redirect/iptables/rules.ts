import { formatCidr, parseCidr } from '../../pods/address.ts';
import type { Cidr } from '../../pods/types.ts';
import { RuleSetBuilder } from './builder.ts';
import { splitList } from './lists.ts';
import type { Family, IptablesConfig, RulePlan, RuleSet } from './types.ts';

/** Where the agent answers DNS; the contract gives no knob for it. */
const dnsPort = '15053';
/** TPROXY: the mark of what the proxy sends to its own pod; a constant of the contract (A.1). */
const outboundMark = '1338';
/** Conntrack zones that keep the agent's own look-ups (1) apart from the applications' (2), so that equal source ports do not clash. */
const zone = { upstream: '1', application: '2' } as const;

/** The families' constants: what counts as loopback, and the source address with which the proxy passes inbound traffic on. */
const families = {
  4: { passthrough: '127.0.0.6/32', host: '/32' },
  6: { passthrough: '::6/128', host: '/128' },
} as const;

/** A configuration as one family sees it: lists split, CIDRs and servers of the other family gone. */
interface View {
  readonly config: IptablesConfig;
  readonly loopback: string;
  readonly passthrough: string;
  readonly uids: readonly string[];
  readonly gids: readonly string[];
  readonly rangesInclude: { readonly kind: 'all' } | { readonly kind: 'only'; readonly cidrs: readonly string[] };
  readonly rangesExclude: readonly string[];
  /** Of either family: what is included as loopback must reach the proxy, so the early return for it is left out. */
  readonly includesLoopback: boolean;
  readonly dns: { readonly kind: 'off' } | { readonly kind: 'all' } | { readonly kind: 'servers'; readonly servers: readonly string[] };
  readonly tproxy: boolean;
}

/**
 * The rules that give a pod the contract's decision procedure (A.2, A.10). Pure. The configuration must have passed
 * `parseIptablesConfig`, which also makes sure that no value can smuggle a second word into a rule.
 */
export function planRules(config: IptablesConfig): RulePlan {
  return { v4: planFamily(config, 4), v6: config.EnableIPv6 || config.DualStack ? planFamily(config, 6) : null };
}

function planFamily(config: IptablesConfig, family: Family): RuleSet {
  const rules = new RuleSetBuilder(family);
  if (config.InboundInterceptionMode === 'NONE') return rules.build();
  const view = viewFor(config, family);
  skipExcludedInterfaces(rules, view);
  skipReroutedInterfaces(rules, view);
  dropInvalid(rules, view);
  captureTargets(rules, view);
  captureInbound(rules, view);
  rules.append('nat', 'OUTPUT', '-j', 'ISTIO_OUTPUT');
  skipOutboundPorts(rules, view);
  rules.append('nat', 'ISTIO_OUTPUT', '-o', 'lo', '-s', view.passthrough, '-j', 'RETURN');
  for (const uid of view.uids) treatProxy(rules, view, '--uid-owner', uid);
  for (const gid of view.gids) treatProxy(rules, view, '--gid-owner', gid);
  skipOwnerGroups(rules, view);
  captureDns(rules, view);
  rules.append('nat', 'ISTIO_OUTPUT', '-d', view.loopback, '-j', 'RETURN');
  for (const cidr of view.rangesExclude) rules.append('nat', 'ISTIO_OUTPUT', '-d', cidr, '-j', 'RETURN');
  for (const port of splitList(config.OutboundPortsInclude)) {
    rules.append('nat', 'ISTIO_OUTPUT', '-p', 'tcp', '--dport', port, '-j', 'ISTIO_REDIRECT');
  }
  captureRanges(rules, view);
  if (view.tproxy) keepMarks(rules, view);
  return rules.build();
}

function viewFor(config: IptablesConfig, family: Family): View {
  const constants = families[family];
  const include = config.OutboundIPRangesInclude.trim();
  const included = include === '*' ? [] : splitList(include);
  const servers = (family === 4 ? config.DNSServersV4 : config.DNSServersV6).map((server) => `${server}${constants.host}`);
  const uids = splitList(config.ProxyUID);
  const gids = splitList(config.ProxyGID);
  return {
    config,
    loopback: family === 4 ? config.HostIPv4LoopbackCidr : '::1/128',
    passthrough: constants.passthrough,
    uids,
    gids: gids.length === 0 ? uids : gids,
    rangesInclude: include === '*' ? { kind: 'all' } : { kind: 'only', cidrs: ofFamily(included, family) },
    rangesExclude: ofFamily(splitList(config.OutboundIPRangesExclude), family),
    includesLoopback: included.some((text) => {
      const cidr = parseCidr(text);
      return cidr !== null && isLoopback(cidr);
    }),
    dns: dnsView(config, servers),
    tproxy: config.InboundInterceptionMode === 'TPROXY',
  };
}

/** Without a server of either family and without "capture all", capturing DNS would catch nothing: it is off (DNS-20). */
function dnsView(config: IptablesConfig, servers: readonly string[]): View['dns'] {
  if (!config.RedirectDNS) return { kind: 'off' };
  if (config.CaptureAllDNS) return { kind: 'all' };
  return config.DNSServersV4.length + config.DNSServersV6.length === 0 ? { kind: 'off' } : { kind: 'servers', servers };
}

/** The ranges of one family, as they were written; an IPv4 range in IPv6 clothes (`::ffff:10.0.0.0/104`) is undressed. */
function ofFamily(cidrs: readonly string[], family: Family): string[] {
  return cidrs.flatMap((text) => {
    const cidr = parseCidr(text);
    if (cidr?.family !== family) return [];
    return family === 4 && text.includes(':') ? [formatCidr(cidr)] : [text];
  });
}

/** Starts in 127.0.0.0/8, or is ::1. */
function isLoopback(cidr: Cidr): boolean {
  if (cidr.family === 4) return cidr.address[0] === 127;
  return cidr.address.every((byte, index) => byte === (index === 15 ? 1 : 0));
}

function skipExcludedInterfaces(rules: RuleSetBuilder, view: View): void {
  for (const nic of splitList(view.config.ExcludeInterfaces)) {
    for (const table of view.tproxy ? (['nat', 'mangle'] as const) : (['nat'] as const)) {
      rules.append(table, 'PREROUTING', '-i', nic, '-j', 'RETURN');
      rules.append(table, 'OUTPUT', '-o', nic, '-j', 'RETURN');
    }
  }
}

/** What enters a rerouted interface is outbound: it must never reach the inbound chain. Later insertions at 1 go before these. */
function skipReroutedInterfaces(rules: RuleSetBuilder, view: View): void {
  for (const nic of splitList(view.config.RerouteVirtualInterfaces)) rules.insert('nat', 'PREROUTING', 1, '-i', nic, '-j', 'RETURN');
}

function dropInvalid(rules: RuleSetBuilder, view: View): void {
  if (!view.config.DropInvalid) return;
  rules.append('mangle', 'PREROUTING', '-m', 'conntrack', '--ctstate', 'INVALID', '-j', 'ISTIO_DROP');
  rules.append('mangle', 'ISTIO_DROP', '-j', 'DROP');
}

function captureTargets(rules: RuleSetBuilder, { config }: View): void {
  rules.append('nat', 'ISTIO_INBOUND', '-p', 'tcp', '--dport', String(config.InboundTunnelPort), '-j', 'RETURN');
  rules.append('nat', 'ISTIO_REDIRECT', '-p', 'tcp', '-j', 'REDIRECT', '--to-ports', String(config.ProxyPort));
  rules.append('nat', 'ISTIO_IN_REDIRECT', '-p', 'tcp', '-j', 'REDIRECT', '--to-ports', String(config.InboundCapturePort));
}

function captureInbound(rules: RuleSetBuilder, view: View): void {
  const { config } = view;
  const ports = splitList(config.InboundPortsInclude);
  if (ports.length === 0) return;
  const table = view.tproxy ? 'mangle' : 'nat';
  if (view.tproxy) {
    const mark = config.InboundTProxyMark;
    rules.append('mangle', 'ISTIO_DIVERT', '-j', 'MARK', '--set-mark', mark);
    rules.append('mangle', 'ISTIO_DIVERT', '-j', 'ACCEPT');
    const target = ['-j', 'TPROXY', '--tproxy-mark', `${mark}/0xffffffff`, '--on-port', String(config.InboundCapturePort)];
    rules.append('mangle', 'ISTIO_TPROXY', '!', '-d', view.loopback, '-p', 'tcp', ...target);
  }
  rules.append(table, 'PREROUTING', '-p', 'tcp', '-j', 'ISTIO_INBOUND');
  const all = config.InboundPortsInclude.trim() === '*';
  // The exclude list counts only when everything is included (IN-10).
  for (const port of all ? splitList(config.InboundPortsExclude) : []) {
    rules.append(table, 'ISTIO_INBOUND', '-p', 'tcp', '--dport', port, '-j', 'RETURN');
  }
  for (const match of all ? [['-p', 'tcp']] : ports.map((port) => ['-p', 'tcp', '--dport', port])) {
    if (view.tproxy) {
      rules.append(table, 'ISTIO_INBOUND', ...match, '-m', 'conntrack', '--ctstate', 'RELATED,ESTABLISHED', '-j', 'ISTIO_DIVERT');
    }
    rules.append(table, 'ISTIO_INBOUND', ...match, '-j', view.tproxy ? 'ISTIO_TPROXY' : 'ISTIO_IN_REDIRECT');
  }
}

function skipOutboundPorts(rules: RuleSetBuilder, view: View): void {
  for (const port of splitList(view.config.OutboundPortsExclude)) {
    for (const protocol of ['tcp', 'udp']) rules.append('nat', 'ISTIO_OUTPUT', '-p', protocol, '--dport', port, '-j', 'RETURN');
  }
}

/**
 * O3–O5 for one owner: what the proxy sends to its own pod goes in again by the inbound port; loopback traffic of others stays direct; all
 * else of the proxy leaves. DNS to the agent is kept out of the first for users only: the contract's asymmetry, kept.
 */
function treatProxy(rules: RuleSetBuilder, view: View, owner: '--uid-owner' | '--gid-owner', id: string): void {
  const dns = view.dns.kind !== 'off';
  const tunnel = String(view.config.InboundTunnelPort);
  const ports = dns && owner === '--uid-owner' ? ['-m', 'multiport', '!', '--dports', `53,${tunnel}`] : ['!', '--dport', tunnel];
  const self = ['-o', 'lo', '!', '-d', view.loopback, '-p', 'tcp', ...ports, '-m', 'owner', owner, id];
  rules.append('nat', 'ISTIO_OUTPUT', ...self, '-j', 'ISTIO_IN_REDIRECT');
  if (!view.includesLoopback) {
    const notDns = dns ? ['-p', 'tcp', '!', '--dport', '53'] : [];
    rules.append('nat', 'ISTIO_OUTPUT', '-o', 'lo', ...notDns, '-m', 'owner', '!', owner, id, '-j', 'RETURN');
  }
  rules.append('nat', 'ISTIO_OUTPUT', '-m', 'owner', owner, id, '-j', 'RETURN');
}

function skipOwnerGroups(rules: RuleSetBuilder, { config }: View): void {
  if (config.OwnerGroupsInclude.trim() === '*') {
    for (const gid of splitList(config.OwnerGroupsExclude)) {
      rules.append('nat', 'ISTIO_OUTPUT', '-m', 'owner', '--gid-owner', gid, '-j', 'RETURN');
    }
    return;
  }
  const noneOf = splitList(config.OwnerGroupsInclude).flatMap((gid) => ['-m', 'owner', '!', '--gid-owner', gid]);
  rules.append('nat', 'ISTIO_OUTPUT', ...noneOf, '-j', 'RETURN');
}

function captureDns(rules: RuleSetBuilder, view: View): void {
  if (view.dns.kind === 'off') return;
  const to = view.dns.kind === 'all' ? [[]] : view.dns.servers.map((server) => ['-d', server]);
  const from = view.dns.kind === 'all' ? [[]] : view.dns.servers.map((server) => ['-s', server]);
  if (to.length > 0) rules.append('nat', 'ISTIO_OUTPUT', '-j', 'ISTIO_OUTPUT_DNS');
  for (const match of to) {
    rules.append('nat', 'ISTIO_OUTPUT_DNS', '-p', 'tcp', '--dport', '53', ...match, '-j', 'REDIRECT', '--to-ports', dnsPort);
  }
  for (const match of to) {
    rules.append('nat', 'ISTIO_OUTPUT_DNS', '-p', 'udp', '--dport', '53', ...match, '-j', 'REDIRECT', '--to-port', dnsPort);
  }
  rules.append('raw', 'OUTPUT', '-j', 'ISTIO_OUTPUT_DNS');
  const owners = [...view.uids.map((uid) => ['--uid-owner', uid]), ...view.gids.map((gid) => ['--gid-owner', gid])];
  for (const owner of owners) {
    rules.append('raw', 'ISTIO_OUTPUT_DNS', '-p', 'udp', '--dport', '53', '-m', 'owner', ...owner, '-j', 'CT', '--zone', zone.upstream);
    rules.append(
      'raw',
      'ISTIO_OUTPUT_DNS',
      '-p',
      'udp',
      '--sport',
      dnsPort,
      '-m',
      'owner',
      ...owner,
      '-j',
      'CT',
      '--zone',
      zone.application,
    );
  }
  if (to.length > 0) rules.append('raw', 'PREROUTING', '-j', 'ISTIO_INBOUND');
  for (const [index, match] of to.entries()) {
    rules.append('raw', 'ISTIO_OUTPUT_DNS', '-p', 'udp', '--dport', '53', ...match, '-j', 'CT', '--zone', zone.application);
    rules.append('raw', 'ISTIO_INBOUND', '-p', 'udp', '--sport', '53', ...(from[index] ?? []), '-j', 'CT', '--zone', zone.upstream);
  }
}

function captureRanges(rules: RuleSetBuilder, view: View): void {
  const nics = splitList(view.config.RerouteVirtualInterfaces);
  if (view.rangesInclude.kind === 'all') {
    rules.append('nat', 'ISTIO_OUTPUT', '-j', 'ISTIO_REDIRECT');
    for (const nic of nics) rules.insert('nat', 'PREROUTING', 1, '-i', nic, '-j', 'ISTIO_REDIRECT');
    return;
  }
  for (const cidr of view.rangesInclude.cidrs) {
    for (const nic of nics) rules.insert('nat', 'PREROUTING', 1, '-i', nic, '-d', cidr, '-j', 'ISTIO_REDIRECT');
    rules.append('nat', 'ISTIO_OUTPUT', '-d', cidr, '-j', 'ISTIO_REDIRECT');
  }
}

/**
 * TPROXY: the mark of a captured connection is kept with the connection and given back to the application's replies, so that they return
 * through the proxy's socket; the first rules of the inbound chain keep what was captured once from being captured again (A.10).
 */
function keepMarks(rules: RuleSetBuilder, view: View): void {
  const mark = view.config.InboundTProxyMark;
  rules.append('mangle', 'PREROUTING', '-p', 'tcp', '-m', 'mark', '--mark', mark, '-j', 'CONNMARK', '--save-mark');
  rules.append('mangle', 'OUTPUT', '-p', 'tcp', '-o', 'lo', '-m', 'mark', '--mark', mark, '-j', 'RETURN');
  const owners = [...view.uids.map((uid) => ['--uid-owner', uid]), ...view.gids.map((gid) => ['--gid-owner', gid])];
  for (const owner of owners) {
    const match = ['!', '-d', view.loopback, '-p', 'tcp', '-o', 'lo', '-m', 'owner', ...owner];
    rules.append('mangle', 'OUTPUT', ...match, '-j', 'MARK', '--set-mark', outboundMark);
  }
  rules.append('mangle', 'OUTPUT', '-p', 'tcp', '-m', 'connmark', '--mark', mark, '-j', 'CONNMARK', '--restore-mark');
  rules.insert('mangle', 'ISTIO_INBOUND', 1, '-p', 'tcp', '-m', 'mark', '--mark', mark, '-j', 'RETURN');
  rules.insert('mangle', 'ISTIO_INBOUND', 2, '-p', 'tcp', '-s', view.passthrough, '-i', 'lo', '-j', 'RETURN');
  rules.insert('mangle', 'ISTIO_INBOUND', 3, '-p', 'tcp', '-i', 'lo', '-m', 'mark', '!', '--mark', outboundMark, '-j', 'RETURN');
}
