import { stat } from 'node:fs/promises';
import type { PodStatus } from '../api/types.ts';
import { UserError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { FdPoller } from '../kernel/index.ts';
import { openNetns, watchAddresses } from '../kernel/index.ts';
import { validatePodName } from '../pods/name.ts';
import type { PodRequest } from '../pods/types.ts';
import type { DataPlane } from '../redirect/ebpf/data-plane.ts';
import { adoptListeners } from '../redirect/ebpf/listeners.ts';
import { sameView, viewNetns } from '../redirect/ebpf/netns-view.ts';
import type { EnrolledPod } from './enrolled-pod.ts';
import { statusOf, tablesOf } from './enrolled-pod.ts';
import { livingCookies } from './living-namespaces.ts';
import type { Machine } from './machine.ts';
import { applyPodRules, removePodRules, rulesOf } from './pod-rules.ts';
import { preparePod } from './prepare-pod.ts';
import type { DesiredPods } from './state.ts';

/** How many pods have their rules compared in one round of three seconds. */
const rulesPerTurn = 8;

interface Held {
  readonly pod: EnrolledPod;
  /** Ends the watch on the pod's addresses, interfaces and routes. */
  readonly watch: Disposable;
}

/** Enrols and releases pods: what is desired on one side, the kernel on the other. Calls are done one after another. */
export class PodManager implements AsyncDisposable {
  readonly #plane: DataPlane;
  readonly #machine: Machine;
  readonly #desired: DesiredPods;
  readonly #log: Logger;
  readonly #poller: FdPoller;
  readonly #held = new Map<string, Held>();
  #queue: Promise<unknown> = Promise.resolve();
  #repaired = 0;
  #lastRepair: string | null = null;
  #rulesCursor = -1;

  constructor(plane: DataPlane, machine: Machine, desired: DesiredPods, poller: FdPoller, log: Logger) {
    this.#plane = plane;
    this.#machine = machine;
    this.#desired = desired;
    this.#poller = poller;
    this.#log = log;
  }

  /** The name of the enrolled pod with this cookie, or null. */
  nameOf(cookie: bigint): string | null {
    return [...this.#held.values()].find(({ pod }) => pod.netns.cookie === cookie)?.pod.request.name ?? null;
  }

  /** Rows and programs that were gone without our doing and were put back, since this process started. */
  get drift(): { readonly repaired: number; readonly last: string | null } {
    return { repaired: this.#repaired, last: this.#lastRepair };
  }

  /**
   * Enrols a pod, or changes one that is enrolled: another namespace under the same name replaces the old one, other annotations take effect
   * for new connections. Throws UserError POD_NAME_INVALID, ANNOTATION_INVALID, NETNS_INVALID.
   */
  enrol(request: PodRequest): Promise<PodStatus> {
    return this.#inTurn(async () => {
      validatePodName(request.name);
      const status = await this.#enrolNow(request);
      await this.#desired.set(request);
      return status;
    });
  }

  /** Releases a pod: connections that exist live on, new ones are no longer redirected. Throws UserError POD_UNKNOWN. */
  release(name: string): Promise<void> {
    return this.#inTurn(async () => {
      const held = this.#held.get(name);
      if (held === undefined && this.#desired.get(name) === null) {
        throw new UserError('POD_UNKNOWN', `Cannot release ${name} because no such pod is enrolled`, {
          cure: 'List the pods that are.',
          command: 'millrace pod list',
        });
      }
      await this.#desired.delete(name);
      if (held !== undefined) await this.#drop(held);
      this.#log.info({ pod: name }, 'pod released');
    });
  }

  status(): readonly PodStatus[] {
    const wished = this.#desired.list().filter(({ name }) => !this.#held.has(name));
    return [...[...this.#held.values()].map(({ pod }) => statusOf(pod, this.#plane.maps)), ...wished.map(absentStatus)];
  }

  /** Enrols everything that an earlier agent was asked to. A pod whose namespace is gone stays wished for and is reported. */
  restore(): Promise<void> {
    return this.#inTurn(async () => {
      for (const request of this.#desired.list()) {
        try {
          await this.#enrolNow(request);
        } catch (err) {
          this.#log.warn({ pod: request.name, netns: request.netns, err }, 'pod could not be taken over');
        }
      }
      await this.#forgetEnded();
    });
  }

  /** Compares the kernel with what should be there and mends it. Cheap: some hundred microseconds a pod. */
  reconcile(): Promise<void> {
    return this.#inTurn(async () => {
      for (const program of this.#plane.ensureAttached('repair')) this.#noteRepair(`${program} put back`);
      await this.#followNamespaces();
      for (const { pod } of this.#held.values()) {
        await this.#mend(pod).catch((err: unknown) => this.#log.error({ pod: pod.request.name, err }, 'a pod could not be mended'));
      }
      await this.#mendRules().catch((err: unknown) => this.#log.error({ err }, 'the rules of a pod could not be mended'));
    });
  }

  async #mend(pod: EnrolledPod): Promise<void> {
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

  async #enrolNow(request: PodRequest): Promise<PodStatus> {
    const netns = openNetns(request.netns);
    const before = this.#held.get(request.name);
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
      await this.#plane.enrol(netns, tablesOf(pod), 'replace');
      await applyPodRules(pod, before?.pod.netns.cookie === netns.cookie ? before.pod : null);
      const watch = watchAddresses(netns, this.#poller, () => this.#namespaceChanged(request.name));
      this.#held.set(request.name, { pod, watch });
      if (before !== undefined) await this.#replace(before, pod);
      await this.#adopt(pod);
      this.#log.info({ pod: request.name, netns: request.netns, cookie: netns.cookie.toString() }, 'pod enrolled');
      return statusOf(pod, this.#plane.maps);
    } catch (error) {
      netns.close();
      throw error;
    }
  }

  async #replace(before: Held, now: EnrolledPod): Promise<void> {
    before.watch[Symbol.dispose]();
    if (before.pod.netns.cookie !== now.netns.cookie) await this.#plane.release(before.pod.netns.cookie);
    before.pod.netns.close();
  }

  async #drop(held: Held): Promise<void> {
    this.#held.delete(held.pod.request.name);
    held.watch[Symbol.dispose]();
    await this.#plane.release(held.pod.netns.cookie);
    await removePodRules(held.pod).catch((err: unknown) =>
      this.#log.warn({ pod: held.pod.request.name, err }, 'the rules of a pod stay behind'),
    );
    held.pod.netns.close();
  }

  #namespaceChanged(name: string): void {
    void this.#inTurn(async () => {
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
      this.#log.info({ pod: held.pod.request.name, netns: held.pod.request.netns }, 'the network namespace of a pod ended');
    }
    for (const request of this.#desired.list().filter(({ name }) => !this.#held.has(name))) {
      // absent namespaces are reported by status(); only those that are there again are worth a try
      if (await stat(request.netns).catch(() => null))
        await this.#enrolNow(request).catch((err: unknown) => this.#log.debug({ pod: request.name, err }, 'pod is still absent'));
    }
  }

  async #adopt(pod: EnrolledPod): Promise<void> {
    if (!pod.request.meshed || pod.backend === 'iptables') return;
    const { netns } = pod;
    const count = await adoptListeners(this.#plane.maps, { cookie: netns.cookie, netnsInode: netns.inode, pod: tablesOf(pod).pod });
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

  #inTurn<T>(task: () => Promise<T>): Promise<T> {
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

function absentStatus(request: PodRequest): PodStatus {
  const { name, netns, backend, meshed } = request;
  return { name, netns, cookie: '0', backend, meshed, addresses: [], listeners: [], problems: ['its network namespace is gone'] };
}
