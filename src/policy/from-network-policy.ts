import type { NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicyRule } from '../manifests/policy-types.ts';
import type { NetworkPolicyManifest } from '../manifests/types.ts';
import { protocolNumbers } from './protocols.ts';
import { inNamespace, isPod, namespaceRequirements, requirementsOf } from './selectors.ts';
import type { Direction, Peer, Policy, PolicyRule, PortMatch } from './types.ts';

/**
 * A NetworkPolicy in the common form: it allows only, isolates by policyTypes, an absent list restricts nothing, and its ranges of addresses cover
 * pods as well as what is outside.
 */
export function fromNetworkPolicy(manifest: NetworkPolicyManifest): Policy {
  const { namespace, name } = manifest.metadata;
  const isolates = (type: 'Ingress' | 'Egress') => manifest.policyTypes.includes(type);
  const rules = [
    ...(isolates('Ingress') ? manifest.ingress.map((rule, index) => ruleOf(rule, index, 'ingress', namespace)) : []),
    ...(isolates('Egress') ? manifest.egress.map((rule, index) => ruleOf(rule, index, 'egress', namespace)) : []),
  ];
  return {
    reference: { kind: 'NetworkPolicy', namespace, name },
    problems: [],
    sections: [
      {
        index: 0,
        subject: [inNamespace(namespace), ...requirementsOf(manifest.podSelector, 'k8s')],
        tier: 'normal',
        defaultDeny: { ingress: isolates('Ingress'), egress: isolates('Egress') },
        rules,
      },
    ],
  };
}

function ruleOf(rule: NetworkPolicyRule, index: number, direction: Direction, namespace: string): PolicyRule {
  return {
    direction,
    action: 'allow',
    rank: 1,
    index,
    name: null,
    peers: rule.peers.length === 0 ? { kind: 'everybody' } : { kind: 'some', peers: rule.peers.map((peer) => peerOf(peer, namespace)) },
    ports: rule.ports.length === 0 ? null : rule.ports.map(portOf),
    l7: false,
  };
}

function peerOf(peer: NetworkPolicyPeer, namespace: string): Peer {
  if (peer.kind === 'ipBlock') return { kind: 'cidr', cidr: peer.cidr, except: peer.except, inCluster: true };
  const where = peer.namespaceSelector === null ? [inNamespace(namespace)] : [isPod, ...namespaceRequirements(peer.namespaceSelector)];
  return { kind: 'endpoints', selector: [...where, ...(peer.podSelector === null ? [] : requirementsOf(peer.podSelector, 'k8s'))] };
}

function portOf({ protocol, port, endPort }: NetworkPolicyPort): PortMatch {
  const number = protocolNumbers[protocol];
  if (port === null) return { kind: 'range', protocol: number, first: 0, last: 65535 };
  if (typeof port === 'string') return { kind: 'named', protocol: number, name: port };
  return { kind: 'range', protocol: number, first: port, last: endPort ?? port };
}
