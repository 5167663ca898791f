import type { PolicySurroundings } from '../api/policy-types.ts';
import type { PolicyCluster, PolicyNode, PolicyPod } from '../policy/types.ts';

/** Puts together what policy is compiled for. Lists that did not change are the same objects as before, because a cluster's are long. */
export class ClusterView {
  #listed: readonly PolicyPod[] = [];
  #own: readonly PolicyPod[] = [];
  #pods: readonly PolicyPod[] = [];
  #namesGiven: Required<PolicySurroundings>['names'] = {};
  #learned: PolicyCluster['names'] = new Map();
  #names: PolicyCluster['names'] = new Map();

  /**
   * What is around and, in the place of what was listed under their names, the pods of this node; of names also what was learned of them. `ownNode` is asked
   * where no node is local.
   */
  of(
    around: Required<PolicySurroundings>,
    { pods: own, names: learned }: Pick<PolicyCluster, 'pods' | 'names'>,
    ownNode: () => PolicyNode,
  ): PolicyCluster {
    const { namespaces, services, nodes } = around;
    return {
      pods: this.#podsOf(around.pods, own),
      namespaces,
      services,
      nodes: nodes.some(({ local }) => local) ? nodes : [...nodes, ownNode()],
      names: this.#namesOf(around.names, learned),
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

  #namesOf(given: Required<PolicySurroundings>['names'], learned: PolicyCluster['names']): PolicyCluster['names'] {
    if (given === this.#namesGiven && learned === this.#learned) return this.#names;
    const names = new Map(learned);
    for (const [name, addresses] of Object.entries(given)) {
      const more = learned.get(name);
      names.set(name, more === undefined ? addresses : [...new Set([...addresses, ...more])]);
    }
    this.#names = names;
    this.#namesGiven = given;
    this.#learned = learned;
    return names;
  }
}
