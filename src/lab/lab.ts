import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '../base/log.ts';
import { checkReferences } from '../manifests/references.ts';
import type { Manifest } from '../manifests/types.ts';
import { resolvConf } from '../mesh/dns/resolv-conf.ts';
import type { DnsZone } from '../mesh/dns/zone.ts';
import { withOutsideNames, zoneOf } from '../mesh/dns/zone.ts';
import type { MeshSnapshot, RedirectBackend } from '../mesh/model.ts';
import type { LabOptions, LabPod, LabService, LabStatus, OutcomesResponse } from './api.ts';
import { askVersions } from './control/acknowledgement.ts';
import type { ControlPlane } from './control/control-plane.ts';
import type { NodeAgentPort } from './control/node-agent.ts';
import { redirectPod } from './control/redirection.ts';
import { Debouncer } from './debouncer.ts';
import type { MachinePrograms } from './images/image.ts';
import type { OutsideServers } from './node/outside-servers.ts';
import type { LabPaths } from './paths.ts';
import { allocateServiceAddresses, labNetwork, PodNumbers, podAddresses } from './plan/addresses.ts';
import { isInjected } from './plan/injection.ts';
import { deploymentPodName } from './plan/names.ts';
import type { ObjectReference } from './plan/objects.ts';
import { LabObjects } from './plan/objects.ts';
import { outsideAddresses } from './plan/outside.ts';
import { outsideNames } from './plan/outside-names.ts';
import { invalidPolicies, labPolicies, policyUpdate } from './plan/policy.ts';
import { planRollout } from './plan/rollout.ts';
import { meshNames, meshSnapshot, serviceEntries } from './plan/snapshot.ts';
import type { PodTemplate } from './plan/templates.ts';
import { podTemplates } from './plan/templates.ts';
import { validateMesh, validateObjects } from './plan/validate.ts';
import { rotateLog } from './pods/log-file.ts';
import type { PodIdentity, PodSurroundings, ProxyLaunch } from './pods/pod.ts';
import { Pod } from './pods/pod.ts';

export interface LabDependencies {
  readonly options: LabOptions;
  readonly paths: LabPaths;
  readonly machine: () => MachinePrograms;
  readonly nodePid: number;
  readonly ipv6: boolean;
  readonly agent: NodeAgentPort;
  readonly controlPlane: ControlPlane;
  readonly outside: Pick<OutsideServers, 'bring'>;
  readonly log: Logger;
}

/** Changes within this time make one new configuration. */
const publishDelayMs = 20;
const acknowledgeMs = 3000;
const acknowledgePollMs = 15;
const logCheckMs = 1000;
/** `lab down` does not wait longer than this for an application to end. */
const downGraceMs = 2000;

/** How Envoy has to be configured for the way its connections come. */
export function backendOf(options: Pick<LabOptions, 'redirect' | 'inbound'>): RedirectBackend {
  return options.redirect === 'iptables' ? { kind: 'iptables' } : { kind: 'ebpf', inbound: options.inbound };
}

/** The running lab: desired objects, the pods made from them, and the loop that makes the second follow the first. Owns all pods. */
export class Lab {
  readonly #deps: LabDependencies;
  readonly #pods = new Map<string, Pod>();
  readonly #numbers = new PodNumbers();
  readonly #publish: Debouncer;
  readonly #reconcile: Debouncer;
  readonly #acknowledge: Debouncer;
  readonly #logTimer: NodeJS.Timeout;
  readonly #startedAt = new Date();
  readonly #surroundings: PodSurroundings;
  #objects = new LabObjects();
  #serviceAddresses: ReadonlyMap<string, string> = new Map();
  #outsideNames: DnsZone['names'] = new Map();
  #sequence = 0;
  #rotating = false;
  #unacknowledged: readonly string[] = [];
  #stopping: Promise<void> | null = null;

  constructor(deps: LabDependencies) {
    this.#deps = deps;
    this.#surroundings = this.#makeSurroundings();
    this.#publish = new Debouncer(publishDelayMs, () => this.#publishNow());
    this.#reconcile = new Debouncer(0, async () => this.#reconcileNow());
    this.#acknowledge = new Debouncer(0, () => this.#awaitAcknowledgement());
    this.#logTimer = setInterval(() => void this.#rotateLogs(), logCheckMs);
  }

  /** The mesh of this moment. */
  get snapshot(): MeshSnapshot {
    const live = [...this.#pods.values()].map((pod) => pod.live).filter((pod) => pod !== null);
    return meshSnapshot(this.#objects, live, this.#serviceAddresses);
  }

  /** What its name server answers at this moment. */
  get zone(): DnsZone {
    return withOutsideNames(zoneOf(this.snapshot), this.#outsideNames);
  }

  /**
   * Creates and changes objects, all or none. Resolves when the running proxies have taken them, or after 3 s.
   * @throws UserError IMAGE_UNKNOWN, MANIFEST_INVALID, SERVICE_ADDRESS, MESH_INVALID, ANNOTATION_INVALID
   */
  async apply(manifests: readonly Manifest[]): Promise<OutcomesResponse> {
    const { objects, outcomes } = this.#objects.apply(manifests);
    validateObjects(objects);
    outsideAddresses(objects);
    outsideNames(objects);
    const addresses = this.#addressesFor(objects);
    if (this.#deps.options.redirect !== 'none') validateMesh(objects, addresses, backendOf(this.#deps.options));
    await this.#adopt(objects, addresses);
    const references = checkReferences(objects.all(), { rootNamespace: meshNames.rootNamespace });
    return { outcomes, warnings: [...invalidPolicies(manifests), ...references] };
  }

  async delete(references: readonly ObjectReference[]): Promise<OutcomesResponse> {
    const { objects, outcomes } = this.#objects.delete(references);
    await this.#adopt(objects, this.#addressesFor(objects));
    return { outcomes, warnings: [] };
  }

  pods(): readonly LabPod[] {
    return [...this.#pods.values()]
      .map((pod) => pod.status())
      .sort((a, b) => (`${a.namespace}/${a.name}` < `${b.namespace}/${b.name}` ? -1 : 1));
  }

  status(): LabStatus {
    const { options, agent, controlPlane } = this.#deps;
    const policies = labPolicies(this.#objects);
    return {
      instance: options.instance,
      pid: process.pid,
      startedAt: this.#startedAt.toISOString(),
      redirect: options.redirect,
      inbound: options.redirect === 'ebpf' ? options.inbound : null,
      acceleration: agent.acceleration ?? { state: 'unknown', mode: options.accelerate, reason: 'the agent has not been asked yet' },
      state: this.#state(),
      agent: agent.status(),
      dnsAddress: labNetwork.dnsAddress,
      pods: this.pods(),
      services: this.#services(),
      policies,
      unenforced: policies.filter(({ valid }) => !valid).map(({ kind, namespace, name }) => ({ kind, namespace, name })),
      problems: [
        ...controlPlane.problems,
        ...(agent.policyProblem === null ? [] : [agent.policyProblem]),
        ...this.#unacknowledged.map((pod) => `proxy of ${pod} has not taken its newest configuration`),
      ],
    };
  }

  /** The agent came or went: the state may have changed. */
  agentChanged(): void {
    this.#reconcile.request();
  }

  /** Stops all pods at once. Idempotent. */
  close(): Promise<void> {
    this.#stopping ??= this.#close();
    return this.#stopping;
  }

  #state(): LabStatus['state'] {
    if (this.#stopping !== null) return 'stopping';
    if (this.#deps.agent.status().state === 'starting') return 'starting';
    if (this.#publish.busy || this.#reconcile.busy || this.#acknowledge.busy) return 'changing';
    // who measures, or counts, must find what was asked for
    if (this.#deps.agent.acceleration?.state === 'testing') return 'changing';
    const settled = [...this.#pods.values()].every((pod) => pod.phase === 'Ready' || pod.phase === 'Succeeded');
    return settled && this.#plan().length === 0 ? 'settled' : 'changing';
  }

  #services(): readonly LabService[] {
    return this.#objects.ofKind('Service').map(({ metadata: { namespace, name }, ports }) => ({
      namespace,
      name,
      clusterIP: this.#serviceAddresses.get(`${namespace}/${name}`) ?? '',
      ports: ports.map(({ port, targetPort, protocol }) => ({ port, targetPort, protocol })),
    }));
  }

  #addressesFor(objects: LabObjects): ReadonlyMap<string, string> {
    const requests = objects
      .ofKind('Service')
      .map(({ metadata, clusterIP }) => ({ key: `${metadata.namespace}/${metadata.name}`, clusterIP }));
    return allocateServiceAddresses(requests, this.#serviceAddresses);
  }

  async #adopt(objects: LabObjects, addresses: ReadonlyMap<string, string>): Promise<void> {
    this.#objects = objects;
    this.#serviceAddresses = addresses;
    this.#outsideNames = outsideNames(objects);
    // before the pods that come with them
    await this.#deps.outside.bring(outsideAddresses(objects));
    await this.#deps.agent.setPolicies(policyUpdate(objects, addresses));
    this.#reconcile.request();
    this.#publish.request();
    await this.#reconcile.flush();
    await this.#publish.flush();
    await this.#acknowledge.flush();
  }

  #plan() {
    return planRollout(
      podTemplates(this.#objects),
      [...this.#pods.values()].map((pod) => pod.existing),
    );
  }

  #reconcileNow(): void {
    if (this.#stopping !== null) return;
    for (const action of this.#plan()) {
      if (action.kind === 'create') this.#create(action.template);
      else this.#remove(action.namespace, action.name);
    }
  }

  #create(template: PodTemplate): void {
    const { namespace, owner, ownerKind, labels, annotations, spec, hash } = template;
    const name = ownerKind === 'Pod' ? owner : deploymentPodName(owner, hash, randomBytes);
    const injected =
      this.#deps.options.redirect !== 'none' && isInjected({ namespace: this.#objects.namespace(namespace), labels, annotations });
    this.#sequence += 1;
    const identity: PodIdentity = {
      namespace,
      name,
      owner,
      ownerKind,
      labels,
      annotations,
      spec,
      hash,
      injected,
      sequence: this.#sequence,
      network: podAddresses(this.#numbers.take()),
    };
    this.#deps.log.info({ pod: name, namespace, address: identity.network.ipv4 }, 'creating a pod');
    this.#pods.set(`${namespace}/${name}`, new Pod(identity, this.#surroundings));
  }

  #remove(namespace: string, name: string): void {
    const pod = this.#pods.get(`${namespace}/${name}`);
    if (pod === undefined) return;
    this.#deps.log.info({ pod: name, namespace }, 'removing a pod');
    void pod.stop(pod.identity.spec.terminationGracePeriodSeconds * 1000).then(() => {
      this.#pods.delete(`${namespace}/${name}`);
      this.#numbers.release(pod.identity.network.number);
      this.#deps.controlPlane.remove(pod.identity);
      this.#changed();
    });
  }

  #changed(): void {
    this.#reconcile.request();
    this.#publish.request();
  }

  #makeSurroundings(): PodSurroundings {
    const { paths, machine, nodePid, ipv6, log, agent, options } = this.#deps;
    return {
      paths,
      machine,
      nodePid,
      ipv6,
      log,
      resolvConf: (namespace) => resolvConf(namespace, labNetwork.dnsAddress, meshNames.clusterDomain),
      // Where programs move an application's listener to the loopback, its own address is the proxy's, which wants mutual TLS.
      probeAddress: (pod) => (pod.injected && options.redirect === 'ebpf' && options.inbound === 'bind' ? '127.0.0.1' : pod.network.ipv4),
      redirect: (pod, netns, signal) => redirectPod({ pod, netns, agent, options, paths, signal }),
      release: (pod) => agent.release(`${pod.namespace}/${pod.name}`),
      prepareProxy: (pod, folder) => this.#prepareProxy(pod, folder),
      onChange: () => this.#changed(),
    };
  }

  async #prepareProxy(pod: PodIdentity, folder: string): Promise<ProxyLaunch> {
    const { snapshot } = this;
    const workload = snapshot.workloads.find((candidate) => candidate.namespace === pod.namespace && candidate.name === pod.name);
    const { envoy } = this.#deps.options;
    if (workload === undefined || envoy === null)
      throw new Error(`pod ${pod.namespace}/${pod.name} has a proxy but no workload or no Envoy`);
    const args = await this.#deps.controlPlane.add(workload, folder, snapshot);
    return { envoy, args, readiness: proxyReadiness };
  }

  async #publishNow(): Promise<void> {
    const { snapshot } = this;
    this.#deps.agent.setServices(serviceEntries(snapshot));
    await this.#deps.controlPlane.update(snapshot);
    this.#acknowledge.request();
  }

  /** Waits until every proxy that runs says that it runs what was written; what it does not say in time becomes a problem. */
  async #awaitAcknowledgement(): Promise<void> {
    const deadline = AbortSignal.timeout(acknowledgeMs);
    do {
      this.#unacknowledged = await this.#missingAcknowledgements(deadline);
      if (this.#unacknowledged.length === 0 || this.#stopping !== null) return;
      await delay(acknowledgePollMs);
    } while (!deadline.aborted);
  }

  async #missingAcknowledgements(signal: AbortSignal): Promise<readonly string[]> {
    const asked = this.pods().map(async (pod): Promise<string | null> => {
      const proxy = pod.injected && !pod.terminating && pod.containers.some((container) => container.image === 'envoy' && container.ready);
      if (!proxy || pod.netns === null) return null;
      const running = await askVersions(pod.netns, signal);
      const wanted = this.#deps.controlPlane.versions(pod);
      return [...wanted].every((version) => running.has(version)) ? null : `${pod.namespace}/${pod.name}`;
    });
    return (await Promise.all(asked)).filter((name) => name !== null);
  }

  async #rotateLogs(): Promise<void> {
    if (this.#rotating) return;
    this.#rotating = true;
    try {
      for (const pod of [...this.#pods.values()]) for (const path of pod.logFiles) await rotateLog(path);
    } catch (err) {
      // a full disk, or a pod that was removed meanwhile: the next look tries again
      this.#deps.log.warn({ err }, 'a log could not be cut');
    } finally {
      this.#rotating = false;
    }
  }

  async #close(): Promise<void> {
    clearInterval(this.#logTimer);
    await Promise.all([this.#reconcile.close(), this.#publish.close(), this.#acknowledge.close()]);
    await Promise.all(
      [...this.#pods.values()].map((pod) => pod.stop(Math.min(downGraceMs, pod.identity.spec.terminationGracePeriodSeconds * 1000))),
    );
    this.#pods.clear();
  }
}

/** Envoy's own word that listeners and clusters are initialised. */
const proxyReadiness: ProxyLaunch['readiness'] = {
  action: { kind: 'httpGet', path: '/ready', port: 15000, scheme: 'HTTP' },
  initialDelaySeconds: 0,
  periodSeconds: 10,
  timeoutSeconds: 2,
  successThreshold: 1,
  failureThreshold: 3,
};
