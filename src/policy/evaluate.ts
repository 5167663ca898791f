import { assertNever } from '../base/errors.ts';
import { matchesFqdn } from './fqdn.ts';
import type { LabelSet } from './labels.ts';
import { matchTypeOf } from './match-type.ts';
import type { Party } from './parties.ts';
import { partyOf } from './parties.ts';
import { blockCovers } from './prefix-map.ts';
import { matchesSelector } from './selectors.ts';
import { resolveServices } from './services.ts';
import { namedKeys, podLabelsIn } from './subject-labels.ts';
import type {
  CompiledRule,
  Peer,
  Policy,
  PolicyCluster,
  PolicyFlow,
  PolicyPod,
  PolicyRule,
  PolicySection,
  PolicyVerdict,
  PortMatch,
  Tier,
} from './types.ts';

/** What decided, in the words of the rule table. */
export type DecidingRule = Omit<CompiledRule, 'id'>;

export interface Evaluation extends PolicyVerdict {
  /** Rules of equal weight that decided; none where no policy selects the pod or no rule says anything. */
  readonly rules: readonly DecidingRule[];
}

const tiers: readonly Tier[] = ['admin', 'normal', 'baseline'];
const passed: Evaluation = { verdict: 'allow', reason: null, rules: [] };

/**
 * What policies say of a flow, read from the policies themselves: no identities, no tables, one rule after the other. It is the yardstick for the
 * compiled tables, so it takes the straightest way, not the fastest. The flow's own side must be a pod that is not on the host network; else it passes.
 */
export function evaluate(policies: readonly Policy[], cluster: PolicyCluster, flow: PolicyFlow): Evaluation {
  const own = partyOf(flow.direction === 'ingress' ? flow.destination : flow.source, cluster);
  const peer = partyOf(flow.direction === 'ingress' ? flow.source : flow.destination, cluster);
  if (own.kind !== 'pod') return passed;
  const named = namedKeys(policies);
  const labels = podLabelsIn(own.pod, cluster, named);
  const selecting = policies.flatMap((policy) =>
    policy.sections.filter((section) => matchesSelector(labels, section.subject)).map((section) => ({ policy, section })),
  );
  const asked = selecting.some(
    ({ section }) => section.defaultDeny[flow.direction] || section.rules.some((rule) => rule.direction === flow.direction),
  );
  if (!asked) return passed;
  for (const tier of tiers) {
    const matches: Match[] = selecting
      .filter(({ section }) => section.tier === tier)
      .flatMap(({ policy, section }) => matchesIn(policy, section, flow, { own: own.pod, peer, cluster, named }));
    if (tier === 'normal') matches.push(...builtIn(flow, peer), ...isolation(selecting, flow));
    const decided = decide(matches);
    if (decided !== null) return decided;
  }
  return passed;
}

interface Match {
  readonly rule: DecidingRule;
  readonly rank: number;
  /** The rule names this peer, and not everybody. */
  readonly concrete: boolean;
}

const strength = { 'default-deny': 1, pass: 2, allow: 3, deny: 4 } as const;

/** The answer of one tier, or null where the next one is asked. */
function decide(matches: readonly Match[]): Evaluation | null {
  const rank = Math.max(...matches.map((match) => match.rank));
  const first = matches.filter((match) => match.rank === rank);
  const strongest = Math.max(...first.map(({ rule }) => strength[rule.action]));
  const deciding = first.filter(({ rule }) => strength[rule.action] === strongest);
  const [one] = deciding;
  if (one === undefined || one.rule.action === 'pass') return null;
  const concrete = deciding.filter((match) => match.concrete);
  const rules = (concrete.length > 0 ? concrete : deciding).map(({ rule }) => rule);
  if (one.rule.action === 'allow') return { verdict: 'allow', reason: null, rules };
  return { verdict: 'deny', reason: one.rule.action === 'deny' ? 181 : 133, rules };
}

/** The node may always reach its own pods, so that the kubelet's probes pass. */
function builtIn(flow: PolicyFlow, peer: Party): Match[] {
  if (flow.direction !== 'ingress' || peer.kind !== 'host') return [];
  const name = "the node's own traffic";
  const rule: DecidingRule = { policy: null, direction: 'ingress', action: 'allow', section: 0, index: 0, name, matchType: 'L3-Only' };
  return [{ rule, rank: Number.POSITIVE_INFINITY, concrete: true }];
}

function isolation(selecting: readonly { policy: Policy; section: PolicySection }[], flow: PolicyFlow): Match[] {
  return selecting
    .filter(({ section }) => section.defaultDeny[flow.direction])
    .map(({ policy, section }) => ({
      rule: {
        policy: policy.reference,
        direction: flow.direction,
        action: 'default-deny',
        section: section.index,
        index: -1,
        name: null,
        matchType: 'none',
      },
      rank: 0,
      concrete: false,
    }));
}

interface Scene {
  readonly own: PolicyPod;
  readonly peer: Party;
  readonly cluster: PolicyCluster;
  readonly named: ReadonlySet<string>;
}

function matchesIn(policy: Policy, section: PolicySection, flow: PolicyFlow, scene: Scene): Match[] {
  return section.rules
    .filter((rule) => rule.direction === flow.direction && peersMatch(rule, scene))
    .flatMap((rule) => portsMatching(rule, flow, scene).map((port) => matchOf(policy, section, rule, port)));
}

function matchOf(policy: Policy, section: PolicySection, rule: PolicyRule, port: PortMatch | null): Match {
  // A port's name, on the way out, is a question to each destination, so such a rule speaks of this peer.
  const asksPeer = rule.direction === 'egress' && port?.kind === 'named';
  return {
    rule: {
      policy: policy.reference,
      direction: rule.direction,
      action: rule.action,
      section: section.index,
      index: rule.index,
      name: rule.name,
      matchType: matchTypeOf(rule, port),
    },
    rank: rule.rank,
    concrete: rule.peers.kind === 'some' || asksPeer,
  };
}

/** The ports of a rule that the flow's port is; [null] for a rule that leaves ports open. */
function portsMatching(rule: PolicyRule, flow: PolicyFlow, scene: Scene): (PortMatch | null)[] {
  if (rule.ports === null) return [null];
  return rule.ports.filter((port) => {
    if (port.kind === 'range') return port.protocol === flow.protocol && flow.port >= port.first && flow.port <= port.last;
    if (port.kind === 'icmp') return port.protocol === flow.protocol && port.type === flow.port >> 8;
    const destination = flow.direction === 'ingress' ? scene.own : scene.peer.kind === 'pod' ? scene.peer.pod : null;
    return (destination?.namedPorts ?? []).some(
      (named) =>
        named.name === port.name &&
        (port.protocol === null || port.protocol === named.protocol) &&
        named.protocol === flow.protocol &&
        named.port === flow.port,
    );
  });
}

function peersMatch(rule: PolicyRule, scene: Scene): boolean {
  return rule.peers.kind === 'everybody' || rule.peers.peers.some((peer) => peerMatches(peer, scene));
}

function peerMatches(peer: Peer, scene: Scene): boolean {
  const { peer: party } = scene;
  switch (peer.kind) {
    case 'endpoints':
      return matchesSelector(partyLabels(party, scene), peer.selector);
    case 'cidr':
      if (party.kind === 'outside') return blockCovers(peer.cidr, peer.except, party.address);
      if (!peer.inCluster) return false;
      return (party.kind === 'host' ? party.addresses : [party.address]).some((address) => blockCovers(peer.cidr, peer.except, address));
    case 'fqdn':
      return party.kind === 'outside' && party.names.some((name) => matchesFqdn(peer, name));
    case 'nodes':
      return (party.kind === 'host' || party.kind === 'node') && matchesSelector(partyLabels(party, scene), peer.selector);
    case 'service':
    case 'services':
      return resolveServices([peer], scene.cluster.services).some((plain) => peerMatches(plain, scene));
    default:
      return assertNever(peer, 'kind of peer');
  }
}

function partyLabels(party: Party, scene: Scene): LabelSet {
  if (party.kind === 'pod') return podLabelsIn(party.pod, scene.cluster, scene.named);
  const labels = new Map<string, string>();
  if (party.apiServer) labels.set('reserved:kube-apiserver', '');
  if (party.kind === 'outside') return labels.set('reserved:world', '');
  labels.set(party.kind === 'host' ? 'reserved:host' : 'reserved:remote-node', '');
  for (const node of party.kind === 'host' ? party.nodes : [party.node]) {
    for (const [key, value] of Object.entries(node.labels)) labels.set(`node:${key}`, value);
  }
  return labels;
}
