import { chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { MillraceError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { asWriteError } from '../../base/write-error.ts';
import { createCgroup } from '../../kernel/index.ts';
import type { PodSpec, Probe } from '../../manifests/types.ts';
import type { LabContainer, LabPod } from '../api.ts';
import type { MachinePrograms } from '../images/image.ts';
import { programsPath, volumePath } from '../images/image.ts';
import { containerProgram } from '../images/program.ts';
import type { Holder } from '../node/holder.ts';
import { startHolder } from '../node/holder.ts';
import { nodeSideBatch, podNetworkBatch } from '../node/network-script.ts';
import { clearCgroup } from '../node/processes.ts';
import type { LabPaths } from '../paths.ts';
import { containerCgroup, logPath, podFolder, sanitise } from '../paths.ts';
import type { PodAddresses } from '../plan/addresses.ts';
import type { ContainerCondition, PodPhase } from '../plan/container-state.ts';
import { podPhase, proxyContainerName, proxyId } from '../plan/container-state.ts';
import type { ExistingPod } from '../plan/rollout.ts';
import type { LivePod } from '../plan/snapshot.ts';
import type { ContainerOptions } from './container.ts';
import { Container } from './container.ts';
import { etcFiles } from './etc.ts';
import { execCommand } from './exec-command.ts';

/** What a pod is, decided when it is planned. */
export interface PodIdentity extends Pick<ExistingPod, 'namespace' | 'name' | 'owner' | 'ownerKind' | 'hash' | 'sequence'> {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly spec: PodSpec;
  readonly injected: boolean;
  readonly network: PodAddresses;
}

/** How the sidecar of a pod is started. */
export interface ProxyLaunch {
  readonly envoy: string;
  /** Arguments of Envoy, with paths as the proxy sees them (its folder is /run/volume). */
  readonly args: readonly string[];
  readonly readiness: Probe;
}

/** What a pod needs from the rest of the lab. */
export interface PodSurroundings {
  readonly paths: LabPaths;
  /** Asked for every pod: what was missing may have been installed meanwhile. */
  readonly machine: () => MachinePrograms;
  readonly nodePid: number;
  readonly ipv6: boolean;
  readonly log: Logger;
  readonly resolvConf: (namespace: string) => string;
  /** Address at which probes reach a container's ports from inside the pod. */
  readonly probeAddress: (pod: PodIdentity) => string;
  /** Enrols with the node agent and, for iptables, writes the rules. Resolves when captured flows can no longer pass the proxy by. */
  readonly redirect: (pod: PodIdentity, netns: string, signal: AbortSignal) => Promise<void>;
  readonly release: (pod: PodIdentity) => Promise<void>;
  /** Writes the proxy's configuration into `folder`. Resolves when the proxy may start. */
  readonly prepareProxy: (pod: PodIdentity, folder: string, signal: AbortSignal) => Promise<ProxyLaunch>;
  readonly onChange: () => void;
}

/** A running pod: its namespaces, its containers and its files; owner of all of them. */
export class Pod {
  readonly identity: PodIdentity;
  readonly #around: PodSurroundings;
  readonly #folder: string;
  readonly #abort = new AbortController();
  readonly #started: Promise<void>;
  readonly #born = performance.now();
  #holder: Holder | null = null;
  #containers: readonly Container[] = [];
  #openGate: () => void = () => {};
  #problem: string | null = null;
  #stopping: Promise<void> | null = null;

  constructor(identity: PodIdentity, around: PodSurroundings) {
    this.identity = identity;
    this.#around = around;
    this.#folder = join(around.paths.pods, podFolder(identity.namespace, identity.name));
    this.#started = this.#start().catch((error: unknown) => this.#fail(error));
  }

  get existing(): ExistingPod {
    const { namespace, name, owner, ownerKind, hash, sequence } = this.identity;
    return { namespace, name, owner, ownerKind, hash, sequence, ready: this.phase === 'Ready', terminating: this.#stopping !== null };
  }

  get phase(): PodPhase {
    if (this.#problem !== null && this.#stopping === null) return 'Failed';
    return podPhase(this.#conditions(), this.#stopping !== null);
  }

  /** For the control plane; null before the pod has its network and once it is going away. */
  get live(): LivePod | null {
    if (this.#holder === null || this.#stopping !== null) return null;
    const { namespace, name, owner, labels, annotations, spec, injected } = this.identity;
    return { namespace, name, owner, labels, annotations, spec, injected, addresses: this.addresses, ready: this.phase === 'Ready' };
  }

  get addresses(): readonly string[] {
    const { ipv4, ipv6 } = this.identity.network;
    return this.#around.ipv6 ? [ipv4, ipv6] : [ipv4];
  }

  /** The proxy's folder on the machine; null without a proxy. */
  get proxyFolder(): string | null {
    return this.identity.injected ? this.#volume(proxyContainerName) : null;
  }

  /** Stops containers, leaves the mesh, and removes namespaces, cgroups and files. Idempotent; never rejects. */
  stop(graceMs: number): Promise<void> {
    this.#stopping ??= this.#stop(graceMs).catch((error: unknown) => {
      this.#around.log.error({ pod: this.identity.name, err: error }, 'a pod was not removed cleanly');
    });
    this.#around.onChange();
    return this.#stopping;
  }

  status(): LabPod {
    const { namespace, name, owner, labels, injected } = this.identity;
    const phase = this.phase;
    return {
      namespace,
      name,
      owner,
      labels,
      phase,
      ready: phase === 'Ready',
      terminating: this.#stopping !== null,
      injected,
      addresses: this.addresses,
      holderPid: this.#holder?.pid ?? null,
      netns: this.#holder?.netns ?? null,
      cgroup: join(this.#around.paths.podsCgroup, podFolder(namespace, name)),
      ageSeconds: Math.round((performance.now() - this.#born) / 1000),
      containers: this.#containers.map((container) => this.#containerStatus(container)),
      problem: this.#problem,
    };
  }

  /** Log files of all containers. */
  get logFiles(): readonly string[] {
    return this.#containers.map((container) => container.logFile);
  }

  #containerStatus(container: Container): LabContainer {
    const condition = container.condition;
    const { state } = condition;
    const { cgroup, user, cwd, env } = container.sandbox;
    const manifest = this.identity.spec.containers.find((candidate) => candidate.name === condition.name);
    return {
      ...condition,
      image: manifest?.image ?? 'envoy',
      log: container.logFile,
      exec: state.kind === 'running' ? { pid: state.pid, cgroup, ...user, cwd, env } : null,
    };
  }

  #conditions(): readonly ContainerCondition[] {
    if (this.#containers.length > 0) return this.#containers.map((container) => container.condition);
    return [{ name: '', state: { kind: 'waiting', reason: 'PodStarting' }, ready: false, restarts: 0, lastExit: null }];
  }

  async #start(): Promise<void> {
    const { signal } = this.#abort;
    const { paths, nodePid, ipv6 } = this.#around;
    const machine = this.#around.machine();
    const { namespace, name, spec, network, injected } = this.identity;
    const hostname = (spec.hostname ?? name).slice(0, 63);
    const programs = spec.containers.map((container) => ({ container, program: containerProgram(container, hostname, machine) }));
    const names = [...spec.containers.map((container) => container.name), ...(injected ? [proxyContainerName] : []), holderCgroup];
    for (const container of names) createCgroup(containerCgroup(paths, namespace, name, container));
    const users = [...programs.map(({ program }) => program), { uid: proxyId, gid: proxyId }];
    this.#writeEtc(hostname, users);
    this.#holder = await startHolder(
      {
        hostname,
        cgroup: containerCgroup(paths, namespace, name, holderCgroup),
        sysctls: podSysctls,
        batch: podNetworkBatch(network, nodePid, ipv6) + (injected && ipv6 ? 'addr add ::6/128 dev lo nodad\n' : ''),
        other: { pid: nodePid, batch: nodeSideBatch(network, ipv6) },
      },
      signal,
    );
    const { netns } = this.#holder;
    // Fail closed: from here on captured flows end at the proxy's port or nowhere, also before the proxy listens.
    await this.#around.redirect(this.identity, netns, signal);
    signal.throwIfAborted();
    const gate = new Promise<void>((resolve) => {
      this.#openGate = resolve;
    });
    if (!injected) this.#openGate();
    // Applications are made first: their preparation runs while the proxy starts.
    const applications = programs.map(({ container, program }) => {
      const probes = { readiness: container.readinessProbe ?? program.readiness, liveness: container.livenessProbe };
      return this.#makeContainer(
        container.name,
        { ...program, user: program, visible: [] },
        probes,
        container.ports,
        spec.restartPolicy,
        gate,
        netns,
      );
    });
    this.#containers = applications;
    this.#around.onChange();
    if (!injected) return;
    const folder = this.#volume(proxyContainerName);
    this.#makeVolume(proxyContainerName, { uid: proxyId, gid: proxyId });
    const launch = await this.#around.prepareProxy(this.identity, folder, signal);
    signal.throwIfAborted();
    this.#containers = [this.#makeProxy(launch, netns), ...applications];
    this.#around.onChange();
  }

  #makeProxy(launch: ProxyLaunch, netns: string): Container {
    const open = Promise.resolve();
    const program = {
      argv: [`${programsPath}/envoy`, ...launch.args],
      prepare: null,
      stopSignal: 'SIGTERM' as const,
      user: { uid: proxyId, gid: proxyId },
      cwd: '/',
      env: { PATH: '/usr/bin:/bin', HOME: volumePath },
      mounts: [{ name: 'envoy', path: launch.envoy }],
      visible: [],
    };
    return this.#makeContainer(
      proxyContainerName,
      program,
      { readiness: launch.readiness, liveness: null },
      [],
      'Always',
      open,
      netns,
      '127.0.0.1',
    );
  }

  #makeContainer(
    name: string,
    program: Pick<ContainerOptions['sandbox'], 'user' | 'cwd' | 'env' | 'mounts' | 'visible'> &
      Pick<ContainerOptions, 'argv' | 'prepare' | 'stopSignal'>,
    probes: { readonly readiness: Probe | null; readonly liveness: Probe | null },
    ports: ContainerOptions['ports'],
    restartPolicy: ContainerOptions['restartPolicy'],
    gate: Promise<void>,
    netns: string,
    address: string = this.#around.probeAddress(this.identity),
  ): Container {
    const { paths } = this.#around;
    const { namespace, name: pod } = this.identity;
    if (name !== proxyContainerName) this.#makeVolume(name, program.user);
    const sandbox = {
      cgroup: containerCgroup(paths, namespace, pod, name),
      holderPid: this.#holder?.pid ?? 0,
      etc: join(this.#folder, 'etc'),
      volume: this.#volume(name),
      mounts: program.mounts,
      visible: program.visible,
      user: { uid: program.user.uid, gid: program.user.gid },
      cwd: program.cwd,
      env: program.env,
    };
    const container: Container = new Container({
      name,
      sandbox,
      argv: program.argv,
      prepare: program.prepare,
      stopSignal: program.stopSignal,
      restartPolicy,
      readinessProbe: probes.readiness,
      livenessProbe: probes.liveness,
      ports,
      probe: {
        netns,
        address,
        command: (argv) => {
          const { state } = container.condition;
          return state.kind === 'running' ? execCommand({ ...sandbox, ...sandbox.user, pid: state.pid }, argv) : null;
        },
      },
      logFile: logPath(paths, namespace, pod, name),
      gate,
      onChange: () => this.#changed(),
      onKillFailed: (err) => this.#around.log.error({ pod, namespace, container: name, err }, 'processes of a container survive'),
    });
    return container;
  }

  #changed(): void {
    const proxy = this.#containers.find((container) => container.condition.name === proxyContainerName);
    if (proxy?.condition.ready === true) this.#openGate();
    this.#around.onChange();
  }

  #volume(container: string): string {
    return join(this.#folder, 'volumes', sanitise(container));
  }

  #makeVolume(container: string, user: { readonly uid: number; readonly gid: number }): void {
    const folder = this.#volume(container);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    chownSync(folder, user.uid, user.gid);
  }

  #writeEtc(hostname: string, users: readonly { readonly uid: number; readonly gid: number }[]): void {
    const folder = join(this.#folder, 'etc');
    mkdirSync(folder, { recursive: true });
    const files = etcFiles({ hostname, addresses: this.addresses, resolvConf: this.#around.resolvConf(this.identity.namespace), users });
    for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text, { mode: 0o644 });
  }

  #fail(error: unknown): void {
    if (this.#abort.signal.aborted) return;
    const failure = asWriteError(error, 'write the files of the pod', this.#folder);
    this.#problem = failure instanceof Error ? failure.message : String(failure);
    this.#around.log.error({ pod: this.identity.name, namespace: this.identity.namespace, err: error }, 'a pod cannot start');
    this.#around.onChange();
  }

  async #stop(graceMs: number): Promise<void> {
    this.#abort.abort(new MillraceError('POD_UNKNOWN', `Cannot go on with pod ${this.identity.name} because it is being removed`));
    await this.#started;
    const isProxy = (container: Container) => container.condition.name === proxyContainerName;
    await Promise.all(this.#containers.filter((container) => !isProxy(container)).map((container) => container.stop(graceMs)));
    await Promise.all(this.#containers.filter(isProxy).map((container) => container.stop(Math.min(graceMs, 1000))));
    await this.#around.release(this.identity);
    await this.#holder?.close();
    this.#holder = null;
    const { paths } = this.#around;
    await clearCgroup(join(paths.podsCgroup, podFolder(this.identity.namespace, this.identity.name)));
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** What a container runtime sets in a pod's network namespace, and no waiting for duplicate addresses. */
const podSysctls: Readonly<Record<string, string>> = {
  'net/ipv4/ip_unprivileged_port_start': '0',
  'net/ipv4/ping_group_range': '0 2147483647',
  'net/ipv6/conf/all/disable_ipv6': '0',
  'net/ipv6/conf/default/accept_dad': '0',
  'net/ipv6/conf/default/accept_ra': '0',
};

/** No container can have this name: theirs begin with a letter or digit. */
const holderCgroup = '-holder';
