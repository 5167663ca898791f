import type { Directory, FlowPod, FlowRule, RuleDirectory } from '../flow/directory.ts';
import type { ServiceName } from '../flow/types.ts';
import type { CompiledPolicy, PolicyCluster } from '../policy/types.ts';

/** Who is who at one moment: what the policy compiler gave out, and for whom. Only read; lists that did not change may be the same objects. */
export interface KnownIdentities {
  readonly compiled: Pick<CompiledPolicy, 'identities' | 'endpoints' | 'rules'>;
  readonly cluster: Pick<PolicyCluster, 'pods' | 'services' | 'names'>;
}

/** What the kernel knows better. Must be quick. */
export interface KernelNames {
  /** The identity of an address in the ipcache; 2 (world) where there is none. */
  identityAt(address: string): number;
  /** Empty where the interface is gone. */
  interfaceName(index: number): string;
}

/** Flows of pods that have gone are still asked for this long. */
const rememberMs = 5 * 60_000;
/** States that are remembered; a busy cluster has another one every second. */
const rememberedStates = 8;

/**
 * Names for flows, out of the states that `update` is told; one that is as the last counts as the same. What is looked up in a state is sorted when
 * the first flow asks. Earlier states answer for those who have gone.
 */
export class Identities implements Directory, RuleDirectory {
  readonly #kernel: KernelNames;
  /** The newest first. */
  #states: State[] = [];
  /** `namespace/name` → the number by which Hubble shows the pod. */
  readonly #numbers = new Map<string, number>();

  constructor(kernel: KernelNames) {
    this.#kernel = kernel;
  }

  /** What holds now, asked again and again. `nowMs` is any clock that only goes forward. */
  update(known: KnownIdentities, nowMs: number): void {
    const [before, ...older] = this.#states;
    if (before !== undefined && isSame(before.known, known)) return;
    const kept = before === undefined ? [] : [{ ...before, endedMs: nowMs }, ...older];
    this.#states = [
      { known: onlyKnown(known), endedMs: null },
      ...kept.filter(({ endedMs }) => endedMs === null || nowMs - endedMs < rememberMs),
    ];
    this.#states.splice(rememberedStates);
  }

  labelsOf(identity: number): readonly string[] {
    return this.#find(({ labels }) => labels.get(identity)) ?? [];
  }

  podAt(address: string): FlowPod | null {
    return this.#find(({ pods }) => pods.get(address)) ?? null;
  }

  identityAt(address: string): number {
    return this.#kernel.identityAt(address);
  }

  serviceAt(address: string, port: number): ServiceName | null {
    return this.#find(({ services }) => services.get(`${address} ${port}`)) ?? null;
  }

  namesOf(address: string): readonly string[] {
    return this.#find(({ names }) => names.get(address)) ?? [];
  }

  interfaceName(index: number): string {
    return this.#kernel.interfaceName(index);
  }

  ruleOf(rule: number): FlowRule | null {
    for (const { known } of this.#states) {
      const found = known.compiled.rules.get(rule);
      if (found === undefined) continue;
      const { policy, matchType } = found;
      return { policies: policy === null ? [] : [{ ...policy, labels: [] }], matchType, log: null };
    }
    return null;
  }

  #find<T>(look: (index: Index) => T | undefined): T | undefined {
    for (const state of this.#states) {
      state.index ??= this.#indexOf(state.known);
      const found = look(state.index);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #indexOf({ compiled, cluster }: KnownIdentities): Index {
    const identities = new Map(compiled.endpoints.map(({ namespace, name, identity }) => [`${namespace}/${name}`, identity]));
    const pods = new Map<string, FlowPod>();
    for (const { namespace, name, workload, addresses, hostNetwork, local } of cluster.pods) {
      if (hostNetwork) continue;
      const full = `${namespace}/${name}`;
      const pod = { id: local ? this.#numberOf(full) : 0, identity: identities.get(full) ?? 0, namespace, name, workload };
      for (const address of addresses) pods.set(address, pod);
    }
    const services = new Map<string, ServiceName>();
    for (const { namespace, name, clusterIPs, ports } of cluster.services) {
      for (const address of clusterIPs) for (const { port } of ports) services.set(`${address} ${port}`, { name, namespace });
    }
    const names = new Map<string, string[]>();
    for (const [name, addresses] of cluster.names) {
      for (const address of addresses) names.set(address, [...(names.get(address) ?? []), name]);
    }
    return { labels: new Map(compiled.identities.map(({ id, labels }) => [id, labels])), pods, services, names };
  }

  #numberOf(pod: string): number {
    const known = this.#numbers.get(pod);
    if (known !== undefined) return known;
    const number = this.#numbers.size + 1;
    this.#numbers.set(pod, number);
    return number;
  }
}

interface State {
  readonly known: KnownIdentities;
  index?: Index;
  readonly endedMs: number | null;
}

interface Index {
  readonly labels: ReadonlyMap<number, readonly string[]>;
  readonly pods: ReadonlyMap<string, FlowPod>;
  readonly services: ReadonlyMap<string, ServiceName>;
  readonly names: ReadonlyMap<string, readonly string[]>;
}

/** Without what else is in the objects that were told: an earlier state would keep all of a cluster's policy. */
function onlyKnown({ compiled, cluster }: KnownIdentities): KnownIdentities {
  const { identities, endpoints, rules } = compiled;
  const { pods, services, names } = cluster;
  return { compiled: { identities, endpoints, rules }, cluster: { pods, services, names } };
}

function isSame(one: KnownIdentities, other: KnownIdentities): boolean {
  const { identities, endpoints, rules } = other.compiled;
  const { pods, services, names } = other.cluster;
  return (
    one.compiled.identities === identities &&
    one.compiled.endpoints === endpoints &&
    one.compiled.rules === rules &&
    one.cluster.services === services &&
    one.cluster.pods.length === pods.length &&
    one.cluster.pods.every((pod, index) => pod === pods[index]) &&
    one.cluster.names.size === names.size &&
    [...names].every(([name, addresses]) => one.cluster.names.get(name) === addresses)
  );
}
