import { cidrContains, parseCidr, parseIp } from '../pods/address.ts';
import type { CiliumCidrSet, CiliumFqdn, CiliumPort, CiliumPortRule, CiliumRule, CiliumSpec, PolicyFault } from './policy-types.ts';

type List = 'ingress' | 'ingressDeny' | 'egress' | 'egressDeny';
type Path = readonly (string | number)[];

const most = 40;
const lists = ['ingress', 'ingressDeny', 'egress', 'egressDeny'] as const;

/** What fromEntities and toEntities may hold (contract 1.1). */
export const entities: readonly string[] = [
  'all',
  'world',
  'cluster',
  'host',
  'init',
  'ingress',
  'unmanaged',
  'remote-node',
  'health',
  'none',
  'kube-apiserver',
];

/**
 * What Cilium's own check finds wrong with a spec that its schema accepted; the words are close to its, because scripts look for them in the
 * condition `Valid=False`. `path` is where the spec stands.
 */
export function ciliumFaults(spec: CiliumSpec, path: Path, clusterwide: boolean): readonly PolicyFault[] {
  const faults: PolicyFault[] = [];
  const add = (at: Path, message: string) => faults.push({ path: [...path, ...at], message });
  if (lists.every((list) => (spec[list] ?? []).length === 0))
    add([], 'rule must have at least one of Ingress, IngressDeny, Egress, EgressDeny');
  if (spec.endpointSelector === null && spec.nodeSelector === null) add([], 'rule must have one of EndpointSelector or NodeSelector');
  if (spec.endpointSelector !== null && spec.nodeSelector !== null)
    add(['nodeSelector'], 'rule cannot have both EndpointSelector and NodeSelector');
  if (spec.nodeSelector !== null && !clusterwide) add(['nodeSelector'], 'CiliumNetworkPolicy rule cannot have NodeSelector');
  for (const list of lists) {
    for (const [index, rule] of (spec[list] ?? []).entries())
      checkRule(rule, list, spec.nodeSelector !== null, (at, message) => add([list, index, ...at], message));
  }
  return faults;
}

type Add = (at: Path, message: string) => void;

function checkRule(rule: CiliumRule, list: List, host: boolean, add: Add): void {
  const side = list.startsWith('ingress') ? 'from' : 'to';
  const members = (
    [
      ['Endpoints', rule.endpoints],
      ['CIDR', rule.cidr],
      ['CIDRSet', rule.cidrSet],
      ['Entities', rule.entities],
      ['Nodes', rule.nodes],
      ['Groups', rule.groups],
      ['Services', rule.services],
      ['FQDNs', rule.fqdns],
    ] as const
  ).filter(([, items]) => (items ?? []).length > 0);
  const [first, second] = members;
  if (first !== undefined && second !== undefined) {
    const title = side === 'from' ? 'From' : 'To';
    add([`${side}${second[0]}`], `combining ${title}${first[0]} and ${title}${second[0]} is not supported yet`);
  }
  if ((rule.icmps ?? []).length > 0 && (rule.ports ?? []).length > 0)
    add(['icmps'], 'the ICMPs block may only be present without ToPorts. Define a separate rule to use ToPorts');
  for (const [index, entity] of (rule.entities ?? []).entries()) {
    if (!entities.includes(entity)) add([`${side}Entities`, index], `unsupported entity: ${entity}`);
  }
  for (const [index, cidr] of (rule.cidr ?? []).entries()) checkCidr(cidr, (message) => add([`${side}CIDR`, index], message));
  for (const [index, set] of (rule.cidrSet ?? []).entries())
    checkCidrSet(set, (at, message) => add([`${side}CIDRSet`, index, ...at], message));
  for (const [index, fqdn] of (rule.fqdns ?? []).entries()) checkFqdn(fqdn, (message) => add(['toFQDNs', index], message));
  for (const [index, port] of (rule.ports ?? []).entries())
    checkPorts(port, list, host, (at, message) => add(['toPorts', index, ...at], message));
  for (const [index, icmp] of (rule.icmps ?? []).entries()) {
    if (icmp.length > most) add(['icmps', index, 'fields'], `too many types, the max is ${most}`);
  }
}

function checkCidr(text: string, add: (message: string) => void): void {
  if (text === '') add('IP must be specified');
  else if (parseCidr(text) === null && parseIp(text) === null)
    add(`unable to parse CIDR: ${JSON.stringify(text)} is neither an address nor a range`);
}

function checkCidrSet(set: CiliumCidrSet, add: Add): void {
  const given = [
    set.cidr !== null && set.cidr !== '',
    set.cidrGroupRef !== null && set.cidrGroupRef !== '',
    set.cidrGroupSelector !== null,
  ];
  const count = given.filter(Boolean).length;
  if (count === 0) add([], 'one of cidr, cidrGroupRef, or cidrGroupSelector is required');
  else if (count > 1) add([], 'more than one of cidr, cidrGroupRef, or cidrGroupSelector may not be set');
  else if (set.cidr !== null && set.cidr !== '') checkExcept(set.cidr, set.except, add);
}

function checkExcept(cidr: string, excepts: readonly string[], add: Add): void {
  const range = parseCidr(cidr);
  if (range === null) {
    add(['cidr'], `unable to parse CIDRRule ${JSON.stringify(cidr)}: it has no mask or is not a range`);
    return;
  }
  for (const [index, text] of excepts.entries()) {
    const except = parseCidr(text);
    if (except === null) add(['except', index], `unable to parse CIDRRule ${JSON.stringify(text)}: it has no mask or is not a range`);
    else if (except.prefix < range.prefix || !cidrContains(range, { family: except.family, bytes: except.address }))
      add(['except', index], `allow CIDR prefix ${cidr} does not contain exclude CIDR prefix ${text}`);
  }
}

function checkFqdn(fqdn: CiliumFqdn, add: (message: string) => void): void {
  const name = fqdn.matchName ?? '';
  const pattern = fqdn.matchPattern ?? '';
  if (name === '' && pattern === '') add('one of MatchName or MatchPattern is required');
  if (name !== '' && pattern !== '') add('only one of MatchName or MatchPattern is allowed in an FQDNSelector');
  if (name !== '' && !/^([-a-zA-Z0-9_]+[.]?)+$/.test(name))
    add(`Invalid characters in MatchName: "${name}". Only 0-9, a-z, A-Z and . and - characters are allowed`);
  if (pattern !== '' && !/^(\*\*\.)?([-a-zA-Z0-9_*]+[.]?)+$/.test(pattern))
    add(`Invalid characters in MatchPattern: "${pattern}". Only 0-9, a-z, A-Z and ., - and * characters are allowed`);
}

function checkPorts(rule: CiliumPortRule, list: List, host: boolean, add: Add): void {
  const ingress = list === 'ingress' || list === 'ingressDeny';
  const kinds = [rule.http !== null, rule.dns !== null, rule.others.includes('kafka'), rule.others.includes('l7proto')].filter(
    Boolean,
  ).length;
  const l7 = kinds > 0 || rule.others.includes('l7');
  const hasDns = (rule.dns ?? []).length > 0;
  if (ingress && hasDns) add(['rules', 'dns'], 'DNS rules are not allowed on ingress');
  if (l7 && host && ingress) add(['rules'], 'L7 policy is not supported on host ingress yet');
  if (rule.serverNames.length > 0 && l7 && !rule.others.includes('terminatingTLS'))
    add(['serverNames'], 'ServerNames are not allowed with L7 rules without TLS termination');
  if (rule.serverNames.includes('')) add(['serverNames'], 'empty server name is not allowed');
  if (rule.ports.length > most) add(['ports'], `too many ports, the max is ${most}`);
  for (const [index, port] of rule.ports.entries()) {
    checkPort(port, hasDns, (message) => add(['ports', index], message));
    if (l7 && !hasDns && port.protocol !== 'TCP')
      add(['ports', index, 'protocol'], `L7 rules can only apply to TCP (not ${port.protocol}) except for DNS rules`);
  }
  if (rule.listener !== null && ingress) add(['listener'], `Listener is not allowed on ingress (${rule.listener})`);
  if (rule.listener !== null && l7) add(['listener'], `Listener is not allowed with L7 rules (${rule.listener})`);
  if (!l7) return;
  if (rule.ports.some(({ port }) => isZero(port))) add(['ports'], 'L7 rules can not be used when a port is 0');
  if (rule.dns !== null && rule.ports.length === 0) add(['rules', 'dns'], 'port 53 must be specified for DNS rules');
  for (const [index, dns] of (rule.dns ?? []).entries()) checkFqdn(dns, (message) => add(['rules', 'dns', index], message));
  if (rule.others.includes('l7')) add(['rules', 'l7'], "'l7' may only be specified when a 'l7proto' is also specified");
  if (kinds > 1) add(['rules'], 'multiple L7 protocol rule types specified in single rule');
}

const isZero = (port: string): boolean => /^0+$/.test(port);

/** IANA service names: at most 15 letters, digits and single hyphens, with a letter. */
export function isServiceName(port: string): boolean {
  return port.length <= 15 && /^[a-zA-Z0-9]+(-[a-zA-Z0-9]+)*$/.test(port) && /[a-zA-Z]/.test(port);
}

function checkPort(port: CiliumPort, hasDns: boolean, add: (message: string) => void): void {
  const portless = port.protocol === 'VRRP' || port.protocol === 'IGMP';
  if (port.port === '' && !portless) add('port must be specified');
  if (port.port === '' || isServiceName(port.port)) return;
  if (portless && port.port !== '0') add('port must be empty or 0');
  else if (!/^[0-9]{1,5}$/.test(port.port) || Number(port.port) > 65535)
    add(`unable to parse port: ${JSON.stringify(port.port)} is neither a number from 0 to 65535 nor a service name`);
  else if (hasDns && port.endPort !== null && port.endPort > Number(port.port)) add('DNS rules do not support port ranges');
}
