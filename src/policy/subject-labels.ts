import type { LabelSet } from './labels.ts';
import { podLabels } from './labels.ts';
import type { Policy, PolicyCluster, PolicyPod } from './types.ts';

/** The labels that selectors see on a pod of a cluster; `named` as of `namedKeys`. */
export function podLabelsIn(pod: PolicyPod, cluster: PolicyCluster, named: ReadonlySet<string>): LabelSet {
  return podLabels(
    pod,
    cluster.namespaces.find(({ name }) => name === pod.namespace),
    named,
  );
}

/** Keys that selectors name, so that labels which identities usually leave out count where somebody asks for them. */
export function namedKeys(policies: readonly Policy[]): ReadonlySet<string> {
  const keys = new Set<string>();
  for (const { sections } of policies) {
    for (const { subject, rules } of sections) {
      for (const { key } of subject) keys.add(key);
      for (const { peers } of rules) {
        for (const peer of peers.kind === 'some' ? peers.peers : []) {
          if (peer.kind === 'endpoints') for (const { key } of peer.selector) keys.add(key);
        }
      }
    }
  }
  return keys;
}
