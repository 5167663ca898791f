import { formatCidr, parseCidrOrIp } from '../pods/address.ts';
import { isIdentityLabel } from './labels.ts';
import { rangeOf } from './prefix-map.ts';
import type { EndpointSelector, LabelRequirement, Peer, Policy, PolicyCluster, PolicyRule, PolicySection } from './types.ts';

/** Lists of policies to bring in one after the other; the last one is what is wanted. */
export type Steps = readonly [readonly Policy[], ...(readonly Policy[])[]];

/**
 * The lists to compile and bring in, one after the other, to get from one list of policies to another. What policies name decides which identities
 * there are: between the policies before and the ones after, the tables would for a moment judge by the policies of one and the identities of the other,
 * and let pass or drop what both agree on. So both lists' identities are there first, the policies change next, and identities that nobody asks for go last.
 * Where a step gives the pod itself another identity together with its peers (named ports, labels that tell no pods apart otherwise, ranges that hold pods), its
 * packets meet the two one after the other.
 */
export function stepsBetween(before: readonly Policy[], now: readonly Policy[]): Steps {
  // whom nobody judges, no half of a list can harm
  if (before.length === 0) return [now];
  const [known, wanted] = [new Set(before), new Set(now)];
  const come = now.filter((policy) => !known.has(policy));
  const gone = before.filter((policy) => !wanted.has(policy));
  const [named, namedBefore] = [namesOf(come), namesOf(gone)];
  const last: (readonly Policy[])[] = isWithin(namedBefore, named) ? [now] : [[...now, ...gone.map(inert)], now];
  const [next = now, ...rest] = last;
  return isWithin(named, namedBefore) ? [next, ...rest] : [[...before, ...come.map(inert)], next, ...rest];
}

/**
 * As stepsBetween(), where nobody knows which policies the tables are of, as after an agent that was killed: `ranges` are those of addresses outside that the
 * tables tell apart.
 */
export function stepsFrom(ranges: readonly string[], now: readonly Policy[], cluster: Pick<PolicyCluster, 'names' | 'services'>): Steps {
  const known = rangesKnown(now, cluster);
  const others = ranges.filter((range) => !known.has(range));
  if (others.length === 0) return [now];
  const peers = others.map((text): Peer => ({ kind: 'cidr', cidr: rangeOf(text), except: [], inCluster: false }));
  const rule: PolicyRule = {
    direction: 'egress',
    action: 'allow',
    rank: 1,
    index: 0,
    name: null,
    peers: { kind: 'some', peers },
    ports: null,
    l7: false,
  };
  const section: PolicySection = { index: 0, subject: [], tier: 'normal', defaultDeny: { ingress: false, egress: false }, rules: [rule] };
  const left: Policy = {
    reference: { kind: 'CiliumClusterwideNetworkPolicy', namespace: '', name: 'left' },
    sections: [section],
    problems: [],
  };
  return [[...now, inert(left)], now];
}

/** The ranges outside that are told apart for these policies. */
function rangesKnown(policies: readonly Policy[], { names, services }: Pick<PolicyCluster, 'names' | 'services'>): ReadonlySet<string> {
  const known = new Set<string>();
  for (const text of [...[...names.values()].flat(), ...services.flatMap(({ externalEndpoints }) => externalEndpoints)]) {
    const range = parseCidrOrIp(text);
    if (range !== null) known.add(formatCidr(range));
  }
  for (const { peers } of policies.flatMap(({ sections }) => sections).flatMap(({ rules }) => rules)) {
    for (const peer of peers.kind === 'some' ? peers.peers : [])
      if (peer.kind === 'cidr') for (const range of [peer.cidr, ...peer.except]) known.add(formatCidr(range));
  }
  return known;
}

function isWithin(some: ReadonlySet<string>, all: ReadonlySet<string>): boolean {
  return [...some].every((one) => all.has(one));
}

/** What makes identities of these policies, as texts. Nearly all policies name pods by labels that pods are told apart by anyway: none. */
function namesOf(policies: readonly Policy[]): ReadonlySet<string> {
  const names = new Set<string>();
  const select = (selector: EndpointSelector): void => {
    for (const { key } of selector) if (!isIdentityLabel(key)) names.add(`label ${key}`);
  };
  for (const { subject, rules } of policies.flatMap(({ sections }) => sections)) {
    select(subject);
    for (const { peers, ports } of rules) {
      for (const port of ports ?? []) if (port.kind === 'named') names.add(`port ${port.name}`);
      for (const peer of peers.kind === 'some' ? peers.peers : []) {
        if (peer.kind === 'endpoints') select(peer.selector);
        else names.add(peer.kind === 'cidr' ? cidrName(peer) : JSON.stringify(peer));
      }
    }
  }
  return names;
}

function cidrName({ cidr, except, inCluster }: Extract<Peer, { kind: 'cidr' }>): string {
  return `${inCluster} ${formatCidr(cidr)} ${except.map(formatCidr).join(' ')}`;
}

/** No label has one of no values. */
const nobody: LabelRequirement = { source: 'reserved', key: 'nobody', operator: 'In', values: [] };

/** A policy that names what the given one does and selects no pod. No object can have its name. */
function inert(policy: Policy): Policy {
  const reference = { ...policy.reference, name: `${policy.reference.name} (named only)` };
  return { ...policy, reference, sections: policy.sections.map((section) => ({ ...section, subject: [...section.subject, nobody] })) };
}
