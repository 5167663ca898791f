import type { Lookup, PolicyTables } from './lookup.ts';
import { partyOf } from './parties.ts';
import { protocolName } from './protocols.ts';
import { matchesSelector } from './selectors.ts';
import { namedKeys, podLabelsIn } from './subject-labels.ts';
import type { CompiledRule, Direction, Policy, PolicyCluster, PolicyFlow, PolicyReference } from './types.ts';

/** One policy as `policy list` shows it. */
export interface PolicyListing {
  readonly reference: PolicyReference;
  /** As in the condition `Valid`; an invalid policy is not enforced at all. */
  readonly valid: boolean;
  readonly reasons: readonly string[];
  /** `namespace/name` of the pods that it selects, sorted. */
  readonly pods: readonly string[];
  /** Directions in which it says anything for the pods that it selects. */
  readonly directions: readonly Direction[];
  /** Directions in which what no rule allows is denied. */
  readonly isolates: readonly Direction[];
  readonly rules: number;
}

const directions: readonly Direction[] = ['ingress', 'egress'];

/** What each policy is and whom it selects, in the order given. */
export function listPolicies(policies: readonly Policy[], cluster: PolicyCluster): readonly PolicyListing[] {
  const named = namedKeys(policies);
  const pods = cluster.pods
    .filter(({ hostNetwork }) => !hostNetwork)
    .map((pod) => ({ name: `${pod.namespace}/${pod.name}`, labels: podLabelsIn(pod, cluster, named) }));
  return policies.map(({ reference, problems, sections }): PolicyListing => {
    const selected = pods.filter(({ labels }) => sections.some(({ subject }) => matchesSelector(labels, subject)));
    const isolates = directions.filter((direction) => sections.some(({ defaultDeny }) => defaultDeny[direction]));
    return {
      reference,
      valid: problems.length === 0,
      reasons: problems,
      pods: selected.map(({ name }) => name).sort(),
      directions: directions.filter(
        (direction) => isolates.includes(direction) || sections.some(({ rules }) => rules.some((rule) => rule.direction === direction)),
      ),
      isolates,
      rules: sections.reduce((sum, { rules }) => sum + rules.length, 0),
    };
  });
}

/** `kind namespace/name`, as messages name a policy. */
export function policyName({ kind, namespace, name }: PolicyReference): string {
  return `${kind} ${namespace === '' ? '' : `${namespace}/`}${name}`;
}

/** A rule in words: `ingressDeny rule 2 of CiliumNetworkPolicy demo/db`. Rules and specs count from 1. */
export function describeRule(rule: Omit<CompiledRule, 'id'>): string {
  if (rule.policy === null) return "the rule that lets the node's own traffic in to its pods";
  const spec = rule.section === 0 ? '' : ` in spec ${rule.section + 1}`;
  const of = `of ${policyName(rule.policy)}${spec}`;
  if (rule.action === 'default-deny') return `the ${rule.direction} isolation ${of}`;
  const cilium = rule.policy.kind.startsWith('Cilium');
  const list = cilium && rule.action === 'deny' ? `${rule.direction}Deny` : rule.direction;
  return `${list} rule ${rule.index + 1}${rule.name === null ? '' : ` (${rule.name})`} ${of}`;
}

/** One side of a connection, as its policy sees it. */
export interface TraceSide {
  readonly direction: Direction;
  /** `namespace/name` of the pod whose policy was asked. */
  readonly pod: string;
  readonly lookup: Lookup;
  /** The answer in one sentence. */
  readonly text: string;
}

export interface PolicyTrace {
  readonly flow: Omit<PolicyFlow, 'direction'>;
  readonly verdict: 'allow' | 'deny';
  /** The source's egress and the destination's ingress; a side without a pod has no policy and is left out. */
  readonly sides: readonly TraceSide[];
  readonly text: string;
}

/**
 * What the compiled tables say of a connection, side by side, and which rule decided. Both sides must allow it. Throws a plain Error where an address is
 * none.
 */
export function tracePolicy(tables: PolicyTables, cluster: PolicyCluster, flow: Omit<PolicyFlow, 'direction'>): PolicyTrace {
  const sides = (['egress', 'ingress'] as const).flatMap((direction): TraceSide[] => {
    const party = partyOf(direction === 'egress' ? flow.source : flow.destination, cluster);
    if (party.kind !== 'pod') return [];
    const pod = `${party.pod.namespace}/${party.pod.name}`;
    const lookup = tables.lookup({ ...flow, direction });
    return [{ direction, pod, lookup, text: `${direction === 'egress' ? 'Egress' : 'Ingress'} of ${pod}: ${answer(lookup, direction)}` }];
  });
  const verdict = sides.some(({ lookup }) => lookup.verdict === 'deny') ? 'deny' : 'allow';
  const text = `${verdict === 'allow' ? 'ALLOWED' : 'DENIED'}: ${flow.source} to ${portText(flow)} of ${flow.destination}`;
  return { flow, verdict, sides, text };
}

function portText({ protocol, port }: Omit<PolicyFlow, 'direction'>): string {
  const name = protocolName(protocol);
  return name.startsWith('ICMP') ? `${name} type ${port >> 8}` : `${name} port ${port}`;
}

function answer({ verdict, reason, rule, subject, decidedBy }: Lookup, direction: Direction): string {
  if (subject === null) return 'allowed, no policy selects the pod';
  if (!subject[direction]) return `allowed, no policy of the pod is about ${direction}`;
  if (reason === 203) return 'denied, its rows are missing (203)';
  if (rule === null) return verdict === 'allow' ? 'allowed, no rule is about it and nothing isolates the pod' : 'denied';
  const match = rule.matchType === 'none' ? '' : ` [${rule.matchType}]`;
  const where = decidedBy === null || decidedBy.tier === 1 ? '' : `, tier ${decidedBy.tier === 0 ? 'Admin' : 'Baseline'}`;
  if (reason === 133) return `denied, no rule allows it, by ${describeRule(rule)} (133)`;
  return `${verdict === 'allow' ? 'allowed' : 'denied'} by ${describeRule(rule)}${match}${where}${reason === null ? '' : ` (${reason})`}`;
}
