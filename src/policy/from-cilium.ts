import { isServiceName } from '../manifests/cilium-faults.ts';
import type { CiliumPortRule, CiliumRule, CiliumSpec } from '../manifests/policy-types.ts';
import type { CiliumPolicyManifest, LabelSelector } from '../manifests/types.ts';
import { cidrOf, parseCidrOrIp } from '../pods/address.ts';
import type { Cidr } from '../pods/types.ts';
import { canonicalName } from './fqdn.ts';
import { namespaceKey, namespaceLabelsPrefix } from './labels.ts';
import { anyProtocol, protocolNumbers } from './protocols.ts';
import { ciliumRequirements, inNamespace, isPod, isReserved } from './selectors.ts';
import type { Direction, EndpointSelector, Peer, Peers, Policy, PolicyRule, PolicySection, PortMatch } from './types.ts';

const lists = [
  ['ingress', 'ingress', 'allow'],
  ['ingressDeny', 'ingress', 'deny'],
  ['egress', 'egress', 'allow'],
  ['egressDeny', 'egress', 'deny'],
] as const;

/** What a compiler is asked to do with conditions on HTTP and DNS messages. */
export interface CiliumOptions {
  /** `refuse`: such a policy is not enforced, and says so. `ports`: the ports are enforced here, the conditions by a proxy. */
  readonly l7: 'refuse' | 'ports';
}

/**
 * A policy of Cilium in the common form (contract 2.1, 2.2). What Cilium would refuse, and what Millrace cannot enforce, are its problems; it is then
 * not enforced at all, as Cilium does with `Valid=False`.
 */
export function fromCilium(manifest: CiliumPolicyManifest, options: CiliumOptions): Policy {
  const { namespace, name } = manifest.metadata;
  const reference = { kind: manifest.kind, namespace, name };
  const faults = manifest.faults.map(({ message }) => message);
  const problems = faults.length > 0 ? faults : [...new Set(manifest.specs.flatMap((spec) => limitsOf(spec, options)))];
  if (problems.length > 0) return { reference, problems, sections: [] };
  const home = manifest.kind === 'CiliumNetworkPolicy' ? namespace || 'default' : null;
  return { reference, problems: [], sections: manifest.specs.map((spec, index) => sectionOf(spec, index, home)) };
}

/** What Cilium has and Millrace does not enforce. */
function limitsOf(spec: CiliumSpec, options: CiliumOptions): string[] {
  const limits: string[] = [];
  if (spec.nodeSelector !== null)
    limits.push('nodeSelector (a host policy) is not supported: Millrace enforces policy at the interfaces of pods');
  for (const [list] of lists) {
    for (const rule of spec[list] ?? []) {
      if ((rule.groups ?? []).length > 0) limits.push('fromGroups and toGroups are not supported: write the addresses as CIDR');
      if ((rule.cidrSet ?? []).some(({ cidrGroupRef, cidrGroupSelector }) => cidrGroupRef !== null || cidrGroupSelector !== null))
        limits.push('cidrGroupRef and cidrGroupSelector are not supported: write the addresses as CIDR');
      if (rule.authentication !== null && rule.authentication !== 'disabled')
        limits.push(`authentication mode ${rule.authentication} is not supported: the mesh authenticates with PeerAuthentication`);
      if (options.l7 === 'refuse') limits.push(...(rule.ports ?? []).flatMap(messageConditions).map(l7Refusal));
    }
  }
  return limits;
}

function messageConditions(rule: CiliumPortRule): string[] {
  return [...(rule.http === null ? [] : ['rules.http']), ...(restrictsNames(rule) ? ['rules.dns'] : []), ...rule.others];
}

/** A DNS rule that lets every name pass only asks the proxy to listen, which it does anyway. */
function restrictsNames({ dns }: CiliumPortRule): boolean {
  return dns !== null && !dns.some(({ matchPattern }) => matchPattern === '*');
}

const l7Refusal = (field: string): string =>
  `L7 rules are enforced by the proxy; ${field} cannot be enforced on packets: write an AuthorizationPolicy, or leave the ports alone here`;

function sectionOf(spec: CiliumSpec, index: number, home: string | null): PolicySection {
  const has = (list: (typeof lists)[number][0]) => (spec[list] ?? []).length > 0;
  return {
    index,
    subject: spec.endpointSelector === null ? [] : subjectOf(spec.endpointSelector, home),
    tier: 'normal',
    defaultDeny: {
      ingress: spec.enableDefaultDeny.ingress ?? (has('ingress') || has('ingressDeny')),
      egress: spec.enableDefaultDeny.egress ?? (has('egress') || has('egressDeny')),
    },
    rules: lists.flatMap(([list, direction, action]) =>
      (spec[list] ?? []).map(
        (rule, place): PolicyRule => ({
          direction,
          action,
          rank: 1,
          index: place,
          name: null,
          peers: peersOf(rule, home, direction),
          ports: portsOf(rule),
          l7: (rule.ports ?? []).some((ports) => messageConditions(ports).length > 0),
        }),
      ),
    ),
  };
}

/** A policy of a namespace selects there and nowhere else, whatever its selector says of namespaces. */
function subjectOf(selector: LabelSelector, home: string | null): EndpointSelector {
  const requirements = ciliumRequirements(selector);
  if (home === null) return [isPod, ...requirements];
  return [inNamespace(home), ...requirements.filter(({ key, operator }) => key !== namespaceKey || operator !== 'In')];
}

function endpointsOf(selector: LabelSelector, home: string | null): Peer {
  const requirements = ciliumRequirements(selector);
  const names = (test: (key: string) => boolean) =>
    requirements.some(({ source, key }) => (source === 'any' || source === 'k8s') && test(key));
  const added =
    requirements.some(({ source }) => source === 'reserved') || names((key) => key === namespaceKey)
      ? []
      : home === null
        ? [isPod]
        : names((key) => key.startsWith(namespaceLabelsPrefix))
          ? []
          : [inNamespace(home)];
  return { kind: 'endpoints', selector: added.concat(requirements) };
}

/**
 * Section 2.1 of the contract: with no list at all the ports alone decide (any peer), and without ports nothing does; a list that was written, also an
 * empty one, names exactly its items.
 */
function peersOf(rule: CiliumRule, home: string | null, direction: Direction): Peers {
  const written = [rule.endpoints, rule.cidr, rule.cidrSet, rule.entities, rule.nodes, rule.groups, rule.services, rule.fqdns];
  if (written.every((list) => list === null)) {
    const l4 = (rule.ports ?? []).length > 0 || (rule.icmps ?? []).length > 0;
    return l4 ? { kind: 'everybody' } : { kind: 'some', peers: [] };
  }
  if (rule.entities?.includes('all')) return { kind: 'everybody' };
  const peers: Peer[] = [
    ...(rule.endpoints ?? []).map((selector) => endpointsOf(selector, home)),
    ...(rule.cidr ?? []).map((text): Peer => cidrPeer(rangeOrIp(text), [])),
    ...(rule.cidrSet ?? []).map((set): Peer => cidrPeer(rangeOrIp(set.cidr ?? ''), set.except.map(rangeOrIp))),
    ...(rule.entities ?? []).flatMap(entityPeers),
    ...(rule.nodes ?? []).map((selector): Peer => ({ kind: 'nodes', selector: nodeRequirements(selector) })),
  ];
  if (direction === 'egress') peers.push(...servicePeers(rule, home), ...fqdnPeers(rule));
  return { kind: 'some', peers: peers.slice() };
}

const cidrPeer = (cidr: Cidr, except: readonly Cidr[]): Peer => ({ kind: 'cidr', cidr, except, inCluster: false });

function rangeOrIp(text: string): Cidr {
  // The faults have been looked at before; a text that is no range at all must select nothing, so it becomes an address nobody has.
  return parseCidrOrIp(text) ?? cidrOf({ family: 6, bytes: new Uint8Array(16) }, 128);
}

function nodeRequirements(selector: LabelSelector): EndpointSelector {
  return ciliumRequirements(selector).map((requirement) =>
    requirement.source === 'any' ? { ...requirement, source: 'node' } : requirement,
  );
}

/** Members of `cluster` besides the pods (contract 1.1). */
const clusterMembers = ['host', 'remote-node', 'init', 'ingress', 'health', 'unmanaged', 'kube-apiserver'];

function entityPeers(entity: string): Peer[] {
  if (entity === 'none') return [];
  if (entity === 'cluster') return [{ kind: 'endpoints', selector: [isPod] }, ...clusterMembers.flatMap(entityPeers)];
  return [{ kind: 'endpoints', selector: [isReserved(entity)] }];
}

function servicePeers(rule: CiliumRule, home: string | null): Peer[] {
  return (rule.services ?? []).flatMap(({ byName, bySelector }): Peer[] => [
    ...(byName === null ? [] : [{ kind: 'service' as const, name: byName.name, namespace: byName.namespace ?? home ?? 'default' }]),
    ...(bySelector === null
      ? []
      : [
          {
            kind: 'services' as const,
            namespace: bySelector.namespace,
            selector: ciliumRequirements(bySelector.selector).map((requirement) => ({ ...requirement, source: 'k8s' })),
          },
        ]),
  ]);
}

function fqdnPeers(rule: CiliumRule): Peer[] {
  return (rule.fqdns ?? []).map(({ matchName, matchPattern }): Peer => {
    if (matchName !== null && matchName !== '') return { kind: 'fqdn', match: 'name', text: canonicalName(matchName) };
    return { kind: 'fqdn', match: 'pattern', text: canonicalName(matchPattern ?? '') };
  });
}

function portsOf(rule: CiliumRule): readonly PortMatch[] | null {
  const icmps = rule.icmps ?? [];
  if (icmps.length > 0) {
    return icmps
      .flat()
      .map(({ family, type }) => ({ kind: 'icmp', protocol: family === 'IPv6' ? protocolNumbers.ICMPv6 : protocolNumbers.ICMP, type }));
  }
  const ports = rule.ports ?? [];
  // flatMap() leaves room to grow, and there are tens of thousands of rules
  return ports.length === 0 ? null : ports.flatMap(portMatches).slice();
}

function portMatches(rule: CiliumPortRule): PortMatch[] {
  return rule.ports.flatMap(({ port, endPort, protocol }): PortMatch[] => {
    const numbers = protocol === 'ANY' ? anyProtocol : [protocolNumbers[protocol]];
    if (isServiceName(port))
      return [{ kind: 'named', protocol: protocol === 'ANY' ? null : protocolNumbers[protocol], name: port.toLowerCase() }];
    const first = port === '' ? 0 : Number(port);
    const last = first === 0 ? 65535 : Math.max(first, endPort ?? first);
    return numbers.map((number) => ({ kind: 'range', protocol: number, first, last }));
  });
}
