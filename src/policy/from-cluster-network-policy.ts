import { assertNever } from '../base/errors.ts';
import type { ClusterPeer, ClusterPolicyRule, ClusterProtocol } from '../manifests/policy-types.ts';
import type { ClusterNetworkPolicyManifest } from '../manifests/types.ts';
import { canonicalName } from './fqdn.ts';
import { protocolNumbers } from './protocols.ts';
import { isPod, namespaceRequirements, requirementsOf } from './selectors.ts';
import type { Direction, EndpointSelector, Peer, Policy, PolicyRule, PortMatch } from './types.ts';

const actions = { Accept: 'allow', Deny: 'deny', Pass: 'pass' } as const;
/** Rules of one direction of one object: at most 25, so that 32 ranks are room for each priority. */
const ranksPerPriority = 32;

/**
 * A ClusterNetworkPolicy in the common form. The first rule of the lowest priority number has the greatest rank; a rule with a peer that this version
 * does not know fails closed: Accept matches nothing, Deny and Pass deny everything.
 */
export function fromClusterNetworkPolicy(manifest: ClusterNetworkPolicyManifest): Policy {
  const rules = [
    ...manifest.ingress.map((rule, index) => ruleOf(rule, index, 'ingress', manifest.priority)),
    ...manifest.egress.map((rule, index) => ruleOf(rule, index, 'egress', manifest.priority)),
  ];
  return {
    reference: { kind: 'ClusterNetworkPolicy', namespace: '', name: manifest.metadata.name },
    problems: [],
    sections: [
      {
        index: 0,
        subject: podsOf(manifest.subject),
        tier: manifest.tier === 'Admin' ? 'admin' : 'baseline',
        defaultDeny: { ingress: false, egress: false },
        rules,
      },
    ],
  };
}

function ruleOf(rule: ClusterPolicyRule, index: number, direction: Direction, priority: number): PolicyRule {
  const rank = (1000 - priority) * ranksPerPriority + (ranksPerPriority - index);
  const common = { direction, rank, index, name: rule.name, l7: false };
  if (rule.peers.some(({ kind }) => kind === 'unknown')) {
    return rule.action === 'Accept'
      ? { ...common, action: 'allow', peers: { kind: 'some', peers: [] }, ports: null }
      : { ...common, action: 'deny', peers: { kind: 'everybody' }, ports: null };
  }
  return {
    ...common,
    action: actions[rule.action],
    peers: { kind: 'some', peers: rule.peers.flatMap(peersOf) },
    ports: rule.protocols === null ? null : rule.protocols.map(portOf),
  };
}

/** Pods only: whoever uses a node's network is not among them. */
function podsOf(peer: Extract<ClusterPeer, { kind: 'namespaces' | 'pods' }>): EndpointSelector {
  if (peer.kind === 'namespaces') return [isPod, ...namespaceRequirements(peer.selector)];
  return [isPod, ...namespaceRequirements(peer.namespaceSelector), ...requirementsOf(peer.podSelector, 'k8s')];
}

function peersOf(peer: ClusterPeer): Peer[] {
  switch (peer.kind) {
    case 'namespaces':
    case 'pods':
      return [{ kind: 'endpoints', selector: podsOf(peer) }];
    case 'nodes':
      return [{ kind: 'nodes', selector: requirementsOf(peer.selector, 'node') }];
    case 'networks':
      return peer.cidrs.map((cidr) => ({ kind: 'cidr', cidr, except: [], inCluster: true }));
    case 'domainNames':
      return peer.names.map((name) => {
        const text = canonicalName(name);
        // Here `*.` is one label or more, which Cilium writes `**.`.
        return text.startsWith('*.') ? { kind: 'fqdn', match: 'pattern', text: `*${text}` } : { kind: 'fqdn', match: 'name', text };
      });
    case 'unknown':
      return [];
    default:
      return assertNever(peer, 'peer of a ClusterNetworkPolicy');
  }
}

function portOf(protocol: ClusterProtocol): PortMatch {
  if (protocol.kind === 'named') return { kind: 'named', protocol: null, name: protocol.name };
  return { kind: 'range', protocol: protocolNumbers[protocol.protocol], first: protocol.first ?? 0, last: protocol.last ?? 65535 };
}
