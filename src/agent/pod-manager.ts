import { stat } from 'node:fs/promises';
import type { PodStatus } from '../api/types.ts';
import { UserError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { Pace } from '../base/pace.ts';
import type { FdPoller } from '../kernel/index.ts';
import { openNetns, watchAddresses } from '../kernel/index.ts';
import { formatIp } from '../pods/address.ts';
import { validatePodName } from '../pods/name.ts';
import type { PodRequest } from '../pods/types.ts';
import type { DataPlane } from '../redirect/ebpf/data-plane.ts';
import { adoptListeners } from '../redirect/ebpf/listeners.ts';
import { sameView, viewNetns } from '../redirect/ebpf/netns-view.ts';
import type { AccessLog } from './access-logs.ts';
import type { EnrolledPod } from './enrolled-pod.ts';
import { statusOf, tablesOf } from './enrolled-pod.ts';
import { livingCookies } from './living-namespaces.ts';
import type { Machine } from './machine.ts';
import { applyPodRules, removePodRules, rulesOf } from './pod-rules.ts';
import type { PolicyManager } from './policy-manager.ts';
import { preparePod } from './prepare-pod.ts';
import { saveAgain } from './save-again.ts';
import type { DesiredPods } from './state.ts';
import { writeOrClose } from './table-full.ts';

/** How many pods have their rules compared in one round of three seconds. */
const rulesPerTurn = 8;

interface Held {
  readonly pod: EnrolledPod;
  /** Ends the watch on the pod's addresses, interfaces and routes. */
  readonly watch: Disposable;
  /** A table has no room for the pod's rows. Tried again in every round. */
  readonly full: UserError | null;
}

/** What pods are to policy. */
type PodPolicy = Pick<PolicyManager, 'enrol' | 'release' | 'identityOf' | 'problemsOf'>;

/** Enrols and releases pods: what is desired on one side, the kernel on the other. Calls are done one after another. */
export class PodManager implements AsyncDisposable {
  readonly #plane: DataPlane;
  readonly #machine: Machine;
  readonly #desired: DesiredPods;
  readonly #log: Logger;
  readonly #poller: FdPoller;
  readonly #policy: PodPolicy | null;
  readonly #held = new Map<string, Held>();
  /** Why pods that are wished for are not held. */
  readonly #failures = new Map<string, string>();
  #queue: Promise<unknown> = Promise.resolve();
  #repaired = 0;
  #lastRepair: string | null = null;
  #rulesCursor = -1;

  constructor(plane: DataPlane, machine: Machine, desired: DesiredPods, poller: FdPoller, log: Logger, policy: PodPolicy | null = null) {
    this.#plane = plane;
    this.#machine = machine;
    this.#desired = desired;
    this.#poller = poller;
    this.#log = log;
    this.#policy = policy;
  }

  /** The name of the enrolled pod with this cookie, or null. */
  nameOf(cookie: bigint): string | null {
    return [...this.#held.values()].find(({ pod }) => pod.netns.cookie === cookie)?.pod.request.name ?? null;
  }

  /** The logs of the pods' proxies, where somebody named them. */
  accessLogs(): readonly AccessLog[] {
    return [...this.#held.values()].flatMap(({ pod: { request, view } }) =>
      request.accessLog == null ? [] : [{ path: request.accessLog, addresses: view.addresses.map(formatIp) }],
    );
  }

  /** Rows and programs that were gone without our doing and were put back, since this process started. */
  get drift(): { readonly repaired: number; readonly last: string | null } {
    return { repaired: this.#repaired, last: this.#lastRepair };
  }

  /** Why a new agent would not know the pods of this one; null: it would. */
  get unsaved(): string | null {
    return this.#desired.unsaved;
  }

  /**
   * Enrols a pod, or changes one that is enrolled: another namespace under the same name replaces the old one, other annotations take effect
   * for new connections. Throws UserError POD_NAME_INVALID, ANNOTATION_INVALID, NETNS_INVALID; TABLE_FULL: then the pod stays wished
   * for, closed or as it was before; FILE_UNWRITABLE: then it is redirected, and kept on disk as soon as there is room.
   */
  enrol(request: PodRequest): Promise<PodStatus> {
    return this.inTurn(async () => {
      validatePodName(request.name);
      const held = await this.#enrolNow(request);
      await this.#desired.set(request);
      if (held.full !== null) throw held.full;
      return this.#statusOf(held);
    });
  }

  /** Releases a pod: connections that exist live on, new ones are no longer redirected. Throws UserError POD_UNKNOWN, FILE_UNWRITABLE: then it is released, too. */
  release(name: string): Promise<void> {
    return this.inTurn(async () => {
      const held = this.#held.get(name);
      if (held === undefined && this.#desired.get(name) === null) {
        throw new UserError('POD_UNKNOWN', `Cannot release ${name} because no such pod is enrolled`, {
          cure: 'List the pods that are.',
          command: 'millrace pod list',
        });
      }
      try {
        await this.#desired.delete(name);
      } finally {
        this.#failures.delete(name);
        if (held !== undefined) await this.#drop(held);
        this.#log.info({ pod: name }, 'pod released');
      }
    });
  }

  status(): readonly PodStatus[] {
    const wished = this.#desired.list().filter(({ name }) => !this.#held.has(name));
    return [
      ...[...this.#held.values()].map((held) => this.#statusOf(held)),
      ...wished.map((request) => absentStatus(request, this.#failures.get(request.name) ?? 'its network namespace is gone')),
    ];
  }

  #statusOf({ pod, full }: Held): PodStatus {
    const status = statusOf(pod, this.#plane.maps);
    const { cookie } = pod.netns;
    const problems = [...(full === null ? [] : [full.message]), ...status.problems, ...(this.#policy?.problemsOf(cookie) ?? [])];
    return { ...status, identity: this.#policy?.identityOf(cookie) ?? 0, problems };
  }

  /** Enrols everything that an earlier agent was asked to. A pod whose namespace is gone stays wished for and is reported. */
  restore(): Promise<void> {
    return this.inTurn(async () => {
      for (const request of this.#desired.list()) {
        try {
          await this.#enrolNow(request);
        } catch (err) {
          this.#noteFailure(request, err);
        }
      }
      await this.#forgetEnded();
    });
  }

  /** Compares the kernel with what should be there and mends it. Cheap: some hundred microseconds a pod. */
  reconcile(): Promise<void> {
    return this.inTurn(async () => {
      await saveAgain(this.#desired, 'desired pods', this.#log);
      this.#mendPrograms();
      await this.#plane.refresh();
      await this.#followNamespaces();
      const pace = new Pace();
      for (const held of [...this.#held.values()]) {
        await this.#mend(held).catch((err: unknown) => this.#log.error({ pod: held.pod.request.name, err }, 'a pod could not be mended'));
        if (pace.isDue) await pace.rest();
      }
      await this.#mendRules().catch((err: unknown) => this.#log.error({ err }, 'the rules of a pod could not be mended'));
    });
  }

  #mendPrograms(): void {
    try {
      for (const program of this.#plane.ensureAttached('repair')) this.#noteRepair(`${program} put back`);
    } catch (err) {
      this.#log.error({ err }, 'programs that are gone could not be put back');
    }
  }

  async #mend({ pod, full }: Held): Promise<void> {
    if (full !== null) return void (await this.#enrolNow(pod.request));
    const change = await this.#plane.enrol(pod.netns, tablesOf(pod), 'repair');
    for (const program of change.attached) this.#noteRepair(`${program} of ${pod.request.name} put back`);
    if (change.written + change.removed > 0) this.#noteRepair(`${change.written + change.removed} rows of ${pod.request.name} put right`);
    await this.#adopt(pod);
  }

  /** Rules are listed by starting processes, so only some pods at a time have theirs looked at. */
  async #mendRules(): Promise<void> {
    const byRules = [...this.#held.values()].filter(({ pod }) => rulesOf(pod) !== null);
    for (let count = 0; count < Math.min(rulesPerTurn, byRules.length); count += 1) {
      this.#rulesCursor = (this.#rulesCursor + 1) % byRules.length;
      const pod = byRules[this.#rulesCursor]?.pod;
      if (pod !== undefined && (await applyPodRules(pod, pod))) this.#noteRepair(`rules of ${pod.request.name} put right`);
    }
  }

  async #enrolNow(request: PodRequest): Promise<Held> {
    const netns = openNetns(request.netns);
    const before = this.#held.get(request.name);
    const isNew = !this.#plane.isEnrolled(netns.cookie);
    try {
      const twin = [...this.#held.values()].find(({ pod }) => pod.netns.cookie === netns.cookie && pod.request.name !== request.name);
      if (twin !== undefined) {
        throw new UserError(
          'NETNS_INVALID',
          `Cannot enrol ${request.name} because its network namespace belongs to a pod already: ${twin.pod.request.name}`,
          {
            cure: 'Release that pod first, or name another namespace.',
            command: `millrace pod remove ${twin.pod.request.name}`,
          },
        );
      }
      const pod = await preparePod(request, netns, this.#machine);
      const held = await this.#hold(pod, before, isNew);
      if (before !== undefined) await this.#replace(before, pod);
      this.#failures.delete(request.name);
      this.#noteEnrolled(held, before);
      if (held.full === null) await this.#adopt(pod);
      return held;
    } catch (error) {
      if (this.#held.get(request.name)?.pod.netns !== netns) netns.close();
      throw error;
    }
  }

  /** Rows, programs, rules and the watch: all of them, or, where one fails for a pod that is new, none. */
  async #hold(pod: EnrolledPod, before: Held | undefined, isNew: boolean): Promise<Held> {
    const { request, netns } = pod;
    try {
      const full = await writeOrClose(this.#plane, pod);
      if (full === null) await applyPodRules(pod, before?.pod.netns.cookie === netns.cookie ? before.pod : null);
      await this.#policy?.enrol(pod);
      const watch = watchAddresses(netns, this.#poller, () => this.#namespaceChanged(request.name));
      const held = { pod, watch, full };
      this.#held.set(request.name, held);
      return held;
    } catch (error) {
      if (isNew) {
        await this.#plane.release(netns.cookie);
        await this.#policy?.release(netns.cookie);
      }
      throw error;
    }
  }

  #noteEnrolled({ pod, full }: Held, before: Held | undefined): void {
    const fields = { pod: pod.request.name, netns: pod.request.netns, cookie: pod.netns.cookie.toString() };
    if (full === null) this.#log.info(fields, 'pod enrolled');
    else if (before?.full?.message !== full.message) {
      this.#log.error(
        { ...fields, code: full.code, map: String(full.data.map), reason: full.message },
        'a table has no room for the rows of a pod',
      );
    }
  }

  /** Once for each reason, because absent pods are tried again and again. */
  #noteFailure(request: PodRequest, err: unknown): void {
    const reason = err instanceof Error ? err.message : String(err);
    if (this.#failures.get(request.name) === reason) return;
    const isGone = err instanceof UserError && err.data.found === 'ENOENT';
    if (!isGone) this.#failures.set(request.name, reason);
    this.#log.warn({ pod: request.name, netns: request.netns, err }, 'pod could not be taken over');
  }

  async #replace(before: Held, now: EnrolledPod): Promise<void> {
    before.watch[Symbol.dispose]();
    if (before.pod.netns.cookie !== now.netns.cookie) {
      await this.#plane.release(before.pod.netns.cookie);
      await this.#policy?.release(before.pod.netns.cookie);
    }
    before.pod.netns.close();
  }

  async #drop(held: Held): Promise<void> {
    this.#held.delete(held.pod.request.name);
    held.watch[Symbol.dispose]();
    await this.#plane.release(held.pod.netns.cookie);
    await this.#policy?.release(held.pod.netns.cookie);
    await removePodRules(held.pod).catch((err: unknown) =>
      this.#log.warn({ pod: held.pod.request.name, err }, 'the rules of a pod stay behind'),
    );
    held.pod.netns.close();
  }

  #namespaceChanged(name: string): void {
    void this.inTurn(async () => {
      const held = this.#held.get(name);
      // our own route for IPv6 is such a change too, and must not bring another
      if (held !== undefined && !sameView(viewNetns(held.pod.netns), held.pod.view)) await this.#enrolNow(held.pod.request);
    }).catch((err: unknown) => this.#log.error({ pod: name, err }, 'the new addresses of a pod could not be taken over'));
  }

  /** A namespace that ended leaves its pod wished for; one that came back under the same name is enrolled. */
  async #followNamespaces(): Promise<void> {
    for (const held of [...this.#held.values()]) {
      const now = await stat(held.pod.request.netns, { bigint: true }).catch(() => null);
      if (now?.ino === held.pod.netns.inode) continue;
      await this.#drop(held);
      this.#failures.delete(held.pod.request.name);
      this.#log.info({ pod: held.pod.request.name, netns: held.pod.request.netns }, 'the network namespace of a pod ended');
    }
    for (const request of this.#desired.list().filter(({ name }) => !this.#held.has(name))) {
      // absent namespaces are reported by status(); only those that are there again are worth a try
      if (await stat(request.netns).catch(() => null))
        await this.#enrolNow(request).catch((err: unknown) => this.#noteFailure(request, err));
    }
  }

  async #adopt(pod: EnrolledPod): Promise<void> {
    if (!pod.request.meshed || pod.backend === 'iptables') return;
    const count = await adoptListeners(this.#plane.maps, pod.netns, tablesOf(pod).pod);
    if (count > 0) this.#log.info({ pod: pod.request.name, count }, 'listeners of the proxy adopted');
  }

  /** Rows of namespaces that ended while no agent was there. Those that live are kept: an agent that lost its list must not open a bypass. */
  async #forgetEnded(): Promise<void> {
    const alive = new Set([...(await livingCookies()), ...[...this.#held.values()].map(({ pod }) => pod.netns.cookie)]);
    for (const cookie of await this.#plane.knownCookies()) {
      if (alive.has(cookie)) continue;
      await this.#plane.release(cookie);
      this.#log.info({ cookie: cookie.toString() }, 'rows of a pod that ended were removed');
    }
  }

  #noteRepair(what: string): void {
    this.#repaired += 1;
    this.#lastRepair = what;
    this.#log.warn({ reason: what }, 'drift repaired');
  }

  /** One thing after another: also for whoever else changes the tables. */
  inTurn<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(task);
    this.#queue = result.catch(() => undefined);
    return result;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#queue;
    for (const { pod, watch } of this.#held.values()) {
      watch[Symbol.dispose]();
      pod.netns.close();
    }
    this.#held.clear();
  }
}

function absentStatus(request: PodRequest, problem: string): PodStatus {
  const { name, netns, backend, meshed } = request;
  return { name, netns, cookie: '0', backend, meshed, identity: 0, addresses: [], listeners: [], problems: [problem] };
}
