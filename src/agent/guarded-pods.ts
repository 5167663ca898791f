import type { Logger } from '../base/log.ts';
import type { PolicyPod } from '../policy/types.ts';
import type { HostPrograms, PolicyEndpoint } from '../policy-tables/index.ts';
import type { EnrolledPod } from './enrolled-pod.ts';
import type { GuardedPod } from './guarded-pod.ts';
import { problemOf } from './guarded-pod.ts';
import { livingCookies } from './living-namespaces.ts';
import { endpointOf, policyPodOf } from './policy-pod.ts';

/** Which of the addresses in a pod's namespace are its own, and which are not. */
export interface TakenAddresses {
  readonly addresses: readonly string[];
  readonly foreign: readonly string[];
}

/** The pods of this node as policy knows them, and the programs at their interfaces. */
export class GuardedPods {
  readonly #host: HostPrograms;
  readonly #log: Logger;
  readonly #pods = new Map<bigint, GuardedPod>();

  constructor(host: HostPrograms, log: Logger) {
    this.#host = host;
    this.#log = log;
  }

  get(cookie: bigint): GuardedPod | undefined {
    return this.#pods.get(cookie);
  }

  all(): readonly GuardedPod[] {
    return [...this.#pods.values()];
  }

  /** Those that can speak. Of a pod that did not change it is the same object as before. */
  known(): readonly PolicyPod[] {
    return this.all().flatMap(({ known }) => known ?? []);
  }

  /** Makes a pod known, or what changed of it; what hangs at its interfaces stays. */
  note(pod: EnrolledPod, { addresses, foreign }: TakenAddresses): void {
    const before = this.#pods.get(pod.netns.cookie);
    const now = policyPodOf(pod, addresses);
    const known = before !== undefined && JSON.stringify(before.known) === JSON.stringify(now) ? before.known : now;
    this.#pods.set(pod.netns.cookie, { pod, known, guard: before?.guard ?? null, failure: null, foreign });
  }

  /** Ends the judging of a pod's packets; false where it was not known. */
  async remove(cookie: bigint): Promise<boolean> {
    if (!this.#pods.delete(cookie)) return false;
    await this.#host.unguard(cookie);
    return true;
  }

  /** Their rows. `policies`: whether there are any. */
  endpoints(identityOf: (pod: PolicyPod) => number, policies: boolean): readonly PolicyEndpoint[] {
    return this.all().flatMap(({ pod, known }) => (known === null ? [] : [endpointOf(pod, known.addresses, identityOf(known), policies)]));
  }

  /** Hangs the programs at a pod's interfaces; returns those that were not there. A pod that nobody can speak as yet is left alone. */
  async guard(cookie: bigint, mode: 'replace' | 'repair'): Promise<readonly string[]> {
    const found = this.#pods.get(cookie);
    if (found === undefined || found.known === null) return [];
    try {
      const guard = await this.#host.guard(found.pod.netns, mode);
      this.#pods.set(cookie, { ...found, guard, failure: null });
      return mode === 'repair' && found.guard !== null ? guard.attached : [];
    } catch (err) {
      const failure = `policy is not enforced: ${err instanceof Error ? err.message : String(err)}`;
      if (found.failure !== failure)
        this.#log.error({ pod: found.pod.request.name, err }, 'the policy programs of a pod could not be attached');
      this.#pods.set(cookie, { ...found, failure });
      return [];
    }
  }

  /**
   * Ends the judging for namespaces that ended. Pods that live and that nobody enrols are left closed where there are policies: an agent that lost its list
   * must not open a way past them.
   */
  async forgetOthers(policies: boolean): Promise<void> {
    const others = [...(await this.#host.guarded())].filter((cookie) => !this.#pods.has(cookie));
    if (others.length === 0) return;
    const alive = policies ? await livingCookies() : new Set();
    for (const cookie of others) if (!alive.has(cookie)) await this.#host.unguard(cookie);
  }

  /** Where policy does not hold as it should, and why. */
  problems(): readonly { readonly pod: string; readonly reason: string }[] {
    return this.all().flatMap((pod) => {
      const reason = problemOf(pod);
      return reason === null || pod.known === null ? [] : [{ pod: `${pod.known.namespace}/${pod.known.name}`, reason }];
    });
  }
}
