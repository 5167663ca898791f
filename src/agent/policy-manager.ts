import type {
  NameAnswer,
  NameOutcome,
  PolicyAgentStatus,
  PolicyChange,
  PolicyOutcome,
  PolicyOverview,
  PolicyUpdate,
  TraceAnswer,
  TraceRequest,
} from '../api/policy-types.ts';
import { UserError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { NetnsHandle } from '../kernel/index.ts';
import type { PolicyManifest } from '../manifests/types.ts';
import { formatIp } from '../pods/address.ts';
import { PolicyTables } from '../policy/lookup.ts';
import type { PolicyCluster } from '../policy/types.ts';
import type { PolicyTableChange } from '../policy-tables/index.ts';
import { HostPrograms, PolicyTableWriter } from '../policy-tables/index.ts';
import type { DataPlane } from '../redirect/ebpf/data-plane.ts';
import { AskedNames, outsideOf } from './asked-names.ts';
import type { DesiredPolicies } from './desired-policies.ts';
import type { EnrolledPod } from './enrolled-pod.ts';
import type { HeldPolicy } from './guarded-pod.ts';
import { problemOf } from './guarded-pod.ts';
import type { TakenAddresses } from './guarded-pods.ts';
import { GuardedPods } from './guarded-pods.ts';
import { InterfaceNames } from './interface-names.ts';
import { JudgedPolicy } from './judged-policy.ts';
import { nameLimits } from './learned-names.ts';
import type { NamesFile } from './names-file.ts';
import { addressesLeft, isOfOthers, ownAddresses } from './own-addresses.ts';
import { ownNode } from './own-node.ts';
import { ClusterView } from './policy-cluster.ts';
import { overviewOf } from './policy-overview.ts';
import type { PolicyName } from './policy-request.ts';
import { traceBoth } from './policy-trace.ts';
import { saveAgain } from './save-again.ts';

export interface PolicyManagerOptions {
  readonly plane: DataPlane;
  /** The network namespace that the pods' interfaces lead to. The manager closes it. */
  readonly node: NetnsHandle;
  readonly desired: DesiredPolicies;
  /** What an earlier agent learned from DNS, and what this one does. */
  readonly learned: NamesFile;
  readonly log: Logger;
}

/**
 * Brings policies and pods into the kernel: compiles them, writes the tables, and keeps the programs at the pods' interfaces. Calls are done one
 * after another.
 */
export class PolicyManager implements Disposable {
  readonly #plane: DataPlane;
  readonly #node: NetnsHandle;
  readonly #desired: DesiredPolicies;
  readonly #learned: NamesFile;
  readonly #asked = new AskedNames();
  readonly #log: Logger;
  readonly #interfaceNames: InterfaceNames;
  readonly #view = new ClusterView();
  readonly #pods: GuardedPods;
  readonly #judged: JudgedPolicy;
  #started = false;
  #lastApplyMs: number | null = null;
  #onApplied: (seconds: number) => void = () => {};
  /** Calls that wait for their turn. */
  #waiting = 0;
  #repaired = 0;
  #lastRepair: string | null = null;
  #queue: Promise<unknown> = Promise.resolve();

  constructor({ plane, node, desired, learned, log }: PolicyManagerOptions) {
    this.#plane = plane;
    this.#node = node;
    this.#desired = desired;
    this.#learned = learned;
    this.#log = log;
    this.#interfaceNames = new InterfaceNames(node);
    this.#pods = new GuardedPods(new HostPrograms(plane.object, plane.maps, plane.pins, node), log);
    this.#judged = new JudgedPolicy(new PolicyTableWriter(plane.maps));
  }

  /**
   * Begins to enforce, when all pods that an earlier agent had were enrolled again: the kernel goes on judging by what that one wrote until then. What
   * cannot be written is reported and tried again by reconcile().
   */
  start(): Promise<void> {
    return this.#inTurn(async () => {
      this.#started = true;
      await this.#bring().catch((err: unknown) => this.#log.error({ err }, 'policy could not be brought into the kernel'));
      for (const { pod } of this.#pods.all()) await this.#guard(pod, 'replace');
      await this.#pods.forgetOthers(this.#hasPolicies);
    });
  }

  /** Makes a pod known, or what changed of it, and judges its packets from then on. Never fails: what does not work is in its problems. */
  enrol(pod: EnrolledPod): Promise<void> {
    return this.#inTurn(async () => {
      this.#pods.note(pod, this.#addressesOf(pod));
      if (!this.#started) return;
      await this.#bring().catch((err: unknown) => this.#log.error({ pod: pod.request.name, err }, 'policy of a pod could not be written'));
      await this.#guard(pod, 'replace');
    });
  }

  /** Ends the judging of a pod's packets and forgets it. */
  release(cookie: bigint): Promise<void> {
    return this.#inTurn(async () => {
      if (!(await this.#pods.remove(cookie))) return;
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

  /**
   * Takes over what DNS is about to tell a pod, the name in canonical form. Resolves when the kernel judges by it; at once where no policy that holds asks for the
   * name, or it was known. Throws as replace().
   */
  async learn({ name, addresses, ttl }: NameAnswer): Promise<NameOutcome> {
    const held = this.#judged.held;
    if (held === null || !this.#asked.includes(name, held.policies)) return { learned: [] };
    const outside = outsideOf(held.cluster, addresses).slice(0, nameLimits.addressesPerName);
    const { names } = this.#learned;
    names.learn(name, outside, ttl);
    const isHeld = (): boolean => {
      const known = this.#judged.held?.cluster.names.get(name) ?? [];
      return outside.every((address) => known.includes(address));
    };
    if (isHeld()) return { learned: outside };
    return this.#inTurn(async () => {
      // those who waited together are written together
      if (!isHeld()) await this.#bring();
      await this.#saveNames();
      return { learned: outside };
    });
  }

  /** Compares the kernel with what should be there and mends it. */
  reconcile(): Promise<void> {
    return this.#inTurn(async () => {
      await saveAgain(this.#desired, 'desired policies', this.#log);
      await this.#expireNames();
      await this.#judged.compare(() => this.#waiting > 0);
      const { problem } = this.#judged;
      const change = await this.#bring().catch((err: unknown) => {
        if (this.#judged.problem !== problem) this.#log.error({ err }, 'policy could not be compared with the kernel');
        return null;
      });
      const tables = change === null || problem !== null ? [] : [change.rows, change.subjects, change.ipcache, change.endpoints];
      const rows = tables.reduce((sum, { written, removed }) => sum + written + removed, 0);
      if (rows > 0) this.#noteRepair(`${rows} rows of policy put right`);
      for (const { pod } of this.#pods.all()) {
        for (const program of await this.#guard(pod, 'repair')) this.#noteRepair(`${program} of ${pod.request.name} put back`);
      }
      await this.#pods.forgetOthers(this.#hasPolicies);
    });
  }

  /** Why a new agent would not know the policies of this one; null: it would. */
  get unsaved(): string | null {
    return this.#desired.unsaved;
  }

  /** What others took away and was put back, since this process started. */
  get drift(): { readonly repaired: number; readonly last: string | null } {
    return { repaired: this.#repaired, last: this.#lastRepair };
  }

  /** What the kernel judges by; null before start(). */
  get held(): HeldPolicy | null {
    return this.#judged.held;
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
    return known == null ? 0 : this.#judged.identityOf(known);
  }

  /** Why policy does not hold at a pod, in words. Without policies nothing is missed. */
  problemsOf(cookie: bigint): readonly string[] {
    if (!this.#hasPolicies) return [];
    const pod = this.#pods.get(cookie);
    const problem = pod === undefined ? null : problemOf(pod);
    return problem === null ? [] : [problem];
  }

  status(): PolicyAgentStatus {
    const { held } = this.#judged;
    return {
      count: this.#desired.count,
      invalid: held?.compiled.statuses.filter(({ valid }) => !valid).length ?? 0,
      lastApplyMs: this.#lastApplyMs,
      identities: held?.compiled.identities.length ?? 0,
      rows: this.#judged.rowCount,
      problem: this.#judged.problem,
    };
  }

  /** Every policy and every pod that policy knows. */
  overview(): PolicyOverview {
    this.#desired.assertWhole();
    return overviewOf(
      this.#desired.policies().map(({ origin }) => origin),
      this.#judged.held,
      this.#judged.identities,
      this.#pods.problems(),
    );
  }

  /** What the tables and the loaded programs say of a first packet. */
  trace(request: TraceRequest): Promise<TraceAnswer> {
    return this.#inTurn(async () => {
      const { held, problem } = this.#judged;
      if (held === null) {
        throw new UserError('AGENT_REFUSED', `Cannot trace because no policy holds yet: ${problem ?? 'the agent starts'}`, {
          cure: 'Try again in a moment.',
        });
      }
      const pods = this.#pods.all();
      const tables = new PolicyTables(held.compiled);
      return traceBoth({ request, tables, cluster: held.cluster, pods, plane: this.#plane, node: this.#node });
    });
  }

  /** What a name no longer stands for is no drift. */
  async #expireNames(): Promise<void> {
    if (this.#learned.names.expire())
      await this.#bring().catch((err: unknown) => this.#log.error({ err }, 'policy could not be written without old names'));
    await this.#saveNames();
  }

  /** What holds goes on to hold where the disk is full; only a new agent would not know it. */
  async #saveNames(): Promise<void> {
    await this.#learned.save().catch((err: unknown) => this.#log.warn({ err }, 'learned names could not be saved'));
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

  #bring(): Promise<PolicyTableChange> {
    return this.#judged.bring(this.#desired, this.#cluster(), (identityOf, policies) => this.#pods.endpoints(identityOf, policies));
  }

  /** Which of the addresses in a pod's namespace are its own, and which are not. */
  #addressesOf(pod: EnrolledPod): TakenAddresses {
    const before = this.#pods.get(pod.netns.cookie);
    const seen = pod.view.addresses.map(formatIp);
    const known = before === undefined ? addressesLeft(this.#plane.maps, pod.netns.cookie, seen) : (before.known?.addresses ?? []);
    const { pods, nodes } = this.#cluster();
    const addresses = ownAddresses(seen, known, (address) => isOfOthers(address, pod.request.name, pods, nodes));
    return { addresses, foreign: seen.filter((address) => !addresses.includes(address)) };
  }

  #cluster(): PolicyCluster {
    const learned = { pods: this.#pods.known(), names: this.#learned.names.names };
    return this.#view.of(this.#desired.surroundings, learned, () => ownNode(this.#node));
  }

  async #guard({ netns }: EnrolledPod, mode: 'replace' | 'repair'): Promise<readonly string[]> {
    // nobody is judged, so a pod whose row could not be written must not be closed
    if (this.#judged.problem !== null && !this.#hasPolicies) return [];
    return await this.#pods.guard(netns.cookie, mode);
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
    this.#judged.close();
    this.#node.close();
  }
}
