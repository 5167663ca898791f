import type { PolicySurroundings } from '../api/policy-types.ts';
import type { PolicyCluster, PolicyNode, PolicyPod } from '../policy/types.ts';

/** Puts together what policy is compiled for. Lists that did not change are the same objects as before, because a cluster's are long. */
export class ClusterView {
  #listed: readonly PolicyPod[] = [];
  #own: readonly PolicyPod[] = [];
  #pods: readonly PolicyPod[] = [];
  #namesGiven: Required<PolicySurroundings>['names'] = {};
  #names: PolicyCluster['names'] = new Map();

  /** What is around and, in the place of what was listed under their names, the pods of this node. `ownNode` is asked where no node is local. */
  of(around: Required<PolicySurroundings>, own: readonly PolicyPod[], ownNode: () => PolicyNode): PolicyCluster {
    const { namespaces, services, nodes } = around;
    return {
      pods: this.#podsOf(around.pods, own),
      namespaces,
      services,
      nodes: nodes.some(({ local }) => local) ? nodes : [...nodes, ownNode()],
      names: this.#namesOf(around.names),
    };
  }

  #podsOf(listed: readonly PolicyPod[], own: readonly PolicyPod[]): readonly PolicyPod[] {
    const known = this.#own;
    if (listed === this.#listed && own.length === known.length && own.every((pod, index) => pod === known[index])) return this.#pods;
    const here = new Set(own.map(({ namespace, name }) => `${namespace}/${name}`));
    this.#pods = [...own, ...listed.filter(({ namespace, name }) => !here.has(`${namespace}/${name}`))];
    this.#listed = listed;
    this.#own = own;
    return this.#pods;
  }

  #namesOf(names: Required<PolicySurroundings>['names']): PolicyCluster['names'] {
    if (names !== this.#namesGiven) this.#names = new Map(Object.entries(names));
    this.#namesGiven = names;
    return this.#names;
  }
}
