import type {
  PolicyAgentStatus,
  PolicyChange,
  PolicyOutcome,
  PolicyOverview,
  PolicyUpdate,
  TraceAnswer,
  TraceRequest,
} from '../api/policy-types.ts';
import { MillraceError, UserError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { NetnsHandle } from '../kernel/index.ts';
import type { PolicyManifest } from '../manifests/types.ts';
import { formatIp } from '../pods/address.ts';
import { PolicyCompiler } from '../policy/compiler.ts';
import { PolicyTables } from '../policy/lookup.ts';
import type { CompiledPolicy, Policy, PolicyCluster } from '../policy/types.ts';
import type { PolicyTableChange } from '../policy-tables/index.ts';
import { HostPrograms, PolicyTableWriter } from '../policy-tables/index.ts';
import type { DataPlane } from '../redirect/ebpf/data-plane.ts';
import type { DesiredPolicies } from './desired-policies.ts';
import type { EnrolledPod } from './enrolled-pod.ts';
import type { GuardedPod, HeldPolicy } from './guarded-pod.ts';
import { problemOf } from './guarded-pod.ts';
import { InterfaceNames } from './interface-names.ts';
import { livingCookies } from './living-namespaces.ts';
import { addressesLeft, isOfOthers, ownAddresses } from './own-addresses.ts';
import { ownNode } from './own-node.ts';
import { ClusterView } from './policy-cluster.ts';
import { overviewOf } from './policy-overview.ts';
import { endpointOf, policyPodOf } from './policy-pod.ts';
import type { PolicyName } from './policy-request.ts';
import { traceBoth } from './policy-trace.ts';
import { howToGo } from './take-over.ts';

export interface PolicyManagerOptions {
  readonly plane: DataPlane;
  /** The network namespace that the pods' interfaces lead to. The manager closes it. */
  readonly node: NetnsHandle;
  readonly desired: DesiredPolicies;
  readonly log: Logger;
}

/** Rows that are compared with the kernel in one round of three seconds: about 0.1 s of one CPU. */
const rowsPerRound = 50_000;
/** A comparison makes way for a change that waits, but not for longer than this. */
const longestUncomparedMs = 60_000;

/**
 * Brings policies and pods into the kernel: compiles them, writes the tables, and keeps the programs at the pods' interfaces. Calls are done one
 * after another.
 */
export class PolicyManager implements Disposable {
  readonly #plane: DataPlane;
  readonly #node: NetnsHandle;
  readonly #host: HostPrograms;
  readonly #writer: PolicyTableWriter;
  readonly #desired: DesiredPolicies;
  readonly #log: Logger;
  readonly #interfaceNames: InterfaceNames;
  readonly #view = new ClusterView();
  readonly #pods = new Map<bigint, GuardedPod>();
  #compiler = new PolicyCompiler();
  /** What the kernel judges by now, which is a step on the way while it changes; null: by what an earlier agent left. */
  #judged: readonly Policy[] | null = null;
  #held: HeldPolicy | null = null;
  #identities: ReadonlyMap<string, number> = new Map();
  #identitiesOf: CompiledPolicy['endpoints'] | null = null;
  #started = false;
  #problem: string | null = null;
  #lastApplyMs: number | null = null;
  #onApplied: (seconds: number) => void = () => {};
  #round = 0;
  #comparedAt = performance.now();
  /** Calls that wait for their turn. */
  #waiting = 0;
  #repaired = 0;
  #lastRepair: string | null = null;
  #queue: Promise<unknown> = Promise.resolve();

  constructor({ plane, node, desired, log }: PolicyManagerOptions) {
    this.#plane = plane;
    this.#node = node;
    this.#desired = desired;
    this.#log = log;
    this.#interfaceNames = new InterfaceNames(node);
    this.#host = new HostPrograms(plane.object, plane.maps, plane.pins, node);
    this.#writer = new PolicyTableWriter(plane.maps);
  }

  /**
   * Begins to enforce, when all pods that an earlier agent had were enrolled again: the kernel goes on judging by what that one wrote until then. What
   * cannot be written is reported and tried again by reconcile().
   */
  start(): Promise<void> {
    return this.#inTurn(async () => {
      this.#started = true;
      await this.#bring().catch((err: unknown) => this.#log.error({ err }, 'policy could not be brought into the kernel'));
      for (const cookie of this.#pods.keys()) await this.#guard(cookie, 'replace');
      await this.#forgetOthers();
    });
  }

  /** Makes a pod known, or what changed of it, and judges its packets from then on. Never fails: what does not work is in its problems. */
  enrol(pod: EnrolledPod): Promise<void> {
    return this.#inTurn(async () => {
      const { cookie } = pod.netns;
      const before = this.#pods.get(cookie);
      const { addresses, foreign } = this.#addressesOf(pod, before);
      const now = policyPodOf(pod, addresses);
      const known = before !== undefined && JSON.stringify(before.known) === JSON.stringify(now) ? before.known : now;
      this.#pods.set(cookie, { pod, known, guard: before?.guard ?? null, failure: null, foreign });
      if (!this.#started) return;
      await this.#bring().catch((err: unknown) => this.#log.error({ pod: pod.request.name, err }, 'policy of a pod could not be written'));
      await this.#guard(cookie, 'replace');
    });
  }

  /** Ends the judging of a pod's packets and forgets it. */
  release(cookie: bigint): Promise<void> {
    return this.#inTurn(async () => {
      if (!this.#pods.delete(cookie)) return;
      await this.#host.unguard(cookie);
      if (this.#started) await this.#bring().catch((err: unknown) => this.#log.error({ err }, 'policy could not be written without a pod'));
    });
  }

  /** Takes the whole list of policies and what they depend on in the place of the one before. Throws MillraceError TABLE_FULL: the one before holds on. */
  replace(update: PolicyUpdate): Promise<PolicyChange> {
    return this.#change(() => this.#desired.replace(update));
  }

  /** Adds an operator's policies, or changes them. Throws as replace(). */
  put(manifests: readonly PolicyManifest[]): Promise<PolicyChange> {
    return this.#change(() => this.#desired.put(manifests));
  }

  /** Removes one of an operator's policies. Throws UserError POLICY_UNKNOWN where there is none. */
  delete(name: PolicyName): Promise<PolicyChange> {
    return this.#change(() => {
      if (this.#desired.delete(name)) return [{ ...name, outcome: 'deleted' }];
      const written = `${name.kind} ${name.namespace === '' ? '' : `${name.namespace}/`}${name.name}`;
      const why = this.#desired.isListed(name) ? 'it came with the list of a lab or cluster' : 'there is none of this kind and name';
      throw new UserError('POLICY_UNKNOWN', `Cannot remove the policy because ${why}: ${written}`, {
        cure: this.#desired.isListed(name) ? 'Remove it there: in a lab with millrace lab delete.' : 'List the policies that are there.',
        command: 'millrace policy list',
      });
    });
  }

  /** Compares the kernel with what should be there and mends it. */
  reconcile(): Promise<void> {
    return this.#inTurn(async () => {
      const every = Math.max(1, Math.ceil(this.#writer.size / rowsPerRound));
      this.#round += 1;
      if (this.#round >= every) await this.#compare();
      const problem = this.#problem;
      const change = await this.#bring().catch((err: unknown) => {
        if (this.#problem !== problem) this.#log.error({ err }, 'policy could not be compared with the kernel');
        return null;
      });
      const tables = change === null || problem !== null ? [] : [change.rows, change.subjects, change.ipcache, change.endpoints];
      const rows = tables.reduce((sum, { written, removed }) => sum + written + removed, 0);
      if (rows > 0) this.#noteRepair(`${rows} rows of policy put right`);
      for (const [cookie, { pod }] of this.#pods) {
        for (const program of await this.#guard(cookie, 'repair')) this.#noteRepair(`${program} of ${pod.request.name} put back`);
      }
      await this.#forgetOthers();
    });
  }

  /** Where somebody else changed the tables, forgets what was known of them, so that they are written again. */
  async #compare(): Promise<void> {
    const overdue = performance.now() - this.#comparedAt > longestUncomparedMs;
    const differs = await this.#writer.differs(() => !overdue && this.#waiting > 0);
    if (differs === null) return;
    this.#round = 0;
    this.#comparedAt = performance.now();
    if (differs) await this.#writer.learn();
  }

  /** What others took away and was put back, since this process started. */
  get drift(): { readonly repaired: number; readonly last: string | null } {
    return { repaired: this.#repaired, last: this.#lastRepair };
  }

  /** What the kernel judges by; null before start(). */
  get held(): HeldPolicy | null {
    return this.#held;
  }

  /** Calls back after each change with how long it took until the kernel judged by it. */
  onApplied(callback: (seconds: number) => void): void {
    this.#onApplied = callback;
  }

  /** The name of one of the node's interfaces, also of one that is gone; empty where there was none. */
  interfaceName(index: number): string {
    return this.#interfaceNames.nameOf(index);
  }

  /** The security identity of a pod; 0 where it has none. */
  identityOf(cookie: bigint): number {
    const known = this.#pods.get(cookie)?.known;
    return known == null ? 0 : (this.#identities.get(`${known.namespace}/${known.name}`) ?? 0);
  }

  /** Why policy does not hold at a pod, in words. Without policies nothing is missed. */
  problemsOf(cookie: bigint): readonly string[] {
    if (!this.#hasPolicies) return [];
    const pod = this.#pods.get(cookie);
    const problem = pod === undefined ? null : problemOf(pod);
    return problem === null ? [] : [problem];
  }

  status(): PolicyAgentStatus {
    return {
      count: this.#desired.count,
      invalid: this.#held?.compiled.statuses.filter(({ valid }) => !valid).length ?? 0,
      lastApplyMs: this.#lastApplyMs,
      identities: this.#held?.compiled.identities.length ?? 0,
      rows: this.#writer.rowCount,
      problem: this.#problem,
    };
  }

  /** Every policy and every pod that policy knows. */
  overview(): PolicyOverview {
    this.#desired.assertWhole();
    const problems = [...this.#pods.values()].flatMap((pod) => {
      const reason = problemOf(pod);
      return reason === null || pod.known === null ? [] : [{ pod: `${pod.known.namespace}/${pod.known.name}`, reason }];
    });
    return overviewOf(
      this.#desired.policies().map(({ origin }) => origin),
      this.#held,
      this.#identities,
      problems,
    );
  }

  /** What the tables and the loaded programs say of a first packet. */
  trace(request: TraceRequest): Promise<TraceAnswer> {
    return this.#inTurn(async () => {
      const held = this.#held;
      if (held === null) {
        throw new UserError('AGENT_REFUSED', `Cannot trace because no policy holds yet: ${this.#problem ?? 'the agent starts'}`, {
          cure: 'Try again in a moment.',
        });
      }
      const pods = [...this.#pods.values()];
      const tables = new PolicyTables(held.compiled);
      return traceBoth({ request, tables, cluster: held.cluster, pods, plane: this.#plane, node: this.#node });
    });
  }

  get #hasPolicies(): boolean {
    return this.#desired.count + this.#desired.lost.length > 0;
  }

  #change(wish: () => readonly PolicyOutcome[]): Promise<PolicyChange> {
    const started = performance.now();
    return this.#inTurn(async () => {
      const outcomes = wish();
      try {
        if (this.#started) await this.#bring();
        const milliseconds = performance.now() - started;
        this.#lastApplyMs = milliseconds;
        this.#onApplied(milliseconds / 1000);
        this.#log.info({ count: this.#desired.count, durationMs: Math.round(milliseconds) }, 'policy holds');
        return { outcomes, milliseconds };
      } finally {
        await this.#desired.save();
      }
    });
  }

  /** Compiles everything and writes what differs. */
  async #bring(): Promise<PolicyTableChange> {
    const policies = this.#desired.policies().map(({ policy }) => policy);
    const cluster = this.#cluster();
    try {
      this.#desired.assertWhole();
      const { compiler, steps } = await howToGo(this.#judged, policies, { compiler: this.#compiler, writer: this.#writer, cluster });
      this.#compiler = compiler;
      let applied = await this.#apply(steps[0], cluster);
      for (const step of steps.slice(1)) applied = await this.#apply(step, cluster);
      this.#held = { compiled: applied.compiled, policies, cluster };
      this.#problem = null;
      return applied.change;
    } catch (error) {
      this.#problem = error instanceof Error ? error.message : String(error);
      // the compiler says itself that it is of no more use
      if (error instanceof MillraceError && error.code === 'IDENTITIES_EXHAUSTED') this.#judged = null;
      throw error;
    }
  }

  async #apply(policies: readonly Policy[], cluster: PolicyCluster) {
    const compiled = this.#compiler.compile(policies, cluster);
    this.#identities = this.#identitiesIn(compiled);
    const change = await this.#writer.apply(compiled, this.#endpoints(policies.length > 0));
    this.#judged = policies;
    this.#compiler.forgetEarlier();
    return { compiled, change };
  }

  /** Which of the addresses in a pod's namespace are its own, and which are not. */
  #addressesOf(pod: EnrolledPod, before: GuardedPod | undefined) {
    const seen = pod.view.addresses.map(formatIp);
    const known = before === undefined ? addressesLeft(this.#plane.maps, pod.netns.cookie, seen) : (before.known?.addresses ?? []);
    const { pods, nodes } = this.#cluster();
    const addresses = ownAddresses(seen, known, (address) => isOfOthers(address, pod.request.name, pods, nodes));
    return { addresses, foreign: seen.filter((address) => !addresses.includes(address)) };
  }

  #identitiesIn({ endpoints }: CompiledPolicy): ReadonlyMap<string, number> {
    if (endpoints === this.#identitiesOf) return this.#identities;
    this.#identitiesOf = endpoints;
    return new Map(endpoints.map(({ namespace, name, identity }) => [`${namespace}/${name}`, identity]));
  }

  #cluster(): PolicyCluster {
    const own = [...this.#pods.values()].flatMap(({ known }) => known ?? []);
    return this.#view.of(this.#desired.surroundings, own, () => ownNode(this.#node));
  }

  #endpoints(policies: boolean) {
    return [...this.#pods.values()].flatMap(({ pod, known }) =>
      known === null ? [] : [endpointOf(pod, known.addresses, this.identityOf(pod.netns.cookie), policies)],
    );
  }

  /** Hangs the programs at a pod's interfaces; returns those that were not there. A pod that nobody can speak as yet is left alone. */
  async #guard(cookie: bigint, mode: 'replace' | 'repair'): Promise<readonly string[]> {
    const found = this.#pods.get(cookie);
    if (found === undefined || found.known === null) return [];
    // nobody is judged, so a pod whose row could not be written must not be closed
    if (this.#problem !== null && !this.#hasPolicies) return [];
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
  async #forgetOthers(): Promise<void> {
    const others = [...(await this.#host.guarded())].filter((cookie) => !this.#pods.has(cookie));
    if (others.length === 0) return;
    const alive = this.#hasPolicies ? await livingCookies() : new Set();
    for (const cookie of others) if (!alive.has(cookie)) await this.#host.unguard(cookie);
  }

  #noteRepair(what: string): void {
    this.#repaired += 1;
    this.#lastRepair = what;
    this.#log.warn({ reason: what }, 'drift repaired');
  }

  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    this.#waiting += 1;
    const result = this.#queue.then(() => {
      this.#waiting -= 1;
      return task();
    });
    this.#queue = result.catch(() => undefined);
    return result;
  }

  /** Gives up what it holds; tables and programs stay. */
  [Symbol.dispose](): void {
    this.#writer.close();
    this.#node.close();
  }
}
