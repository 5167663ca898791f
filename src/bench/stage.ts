import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { cpus } from 'node:os';
import { Cleanup } from '../base/cleanup.ts';
import { exitCodes, UserError } from '../base/errors.ts';
import { createCgroup, findCgroup2 } from '../kernel/index.ts';
import type { LabOptions, LabPod, LabService, LabStatus } from '../lab/api.ts';
import { LabClient } from '../lab/client.ts';
import { labPaths } from '../lab/paths.ts';
import { startDaemon } from '../lab/start.ts';
import { stopLab } from '../lab/stop.ts';
import { untilSettled } from '../lab/wait.ts';
import { parseManifests } from '../manifests/parse.ts';
import type { CompiledPrograms } from './compile.ts';
import type { Place } from './place.ts';
import { placedCommand, startServer } from './place.ts';
import type { SidecarProgram } from './sidecar.ts';
import type { Layout } from './types.ts';
import type { Roles } from './usage.ts';
import { pin, processesIn } from './usage.ts';
import type { PairPlan, WorldName } from './worlds.ts';
import { httpPort, isProxied, manifestsOf, servicePort, streamPort, worldNames } from './worlds.ts';

/** A client and its servers, ready. */
export interface Pair {
  readonly plan: PairPlan;
  /** Where the client runs. */
  readonly client: Place;
  readonly server: Place;
  readonly roles: Roles;
  /** `http://ADDRESS:PORT`; requests for `/N` get N bytes. */
  readonly url: string;
  /** Where a stream goes: directly to the server, or through the client's proxy to a pod without one. */
  readonly stream: { readonly address: string; readonly port: number };
}

/** All pairs, each idle until it is measured. */
export interface Stage extends AsyncDisposable {
  readonly pairs: readonly Pair[];
  /** Moves everything that is measured to the CPUs of a layout, and what is not out of its way. */
  arrange(layout: Layout): void;
}

export interface StageRequest {
  readonly plans: readonly PairPlan[];
  readonly programs: CompiledPrograms;
  /** What runs in the sidecars. */
  readonly sidecar: SidecarProgram;
  /** The image that brings the load generator into the client's pod. */
  readonly clientImage: string;
  readonly streams: boolean;
  readonly signal: AbortSignal;
  readonly onStep: (text: string) => void;
}

const settleMs = 60_000;
const instancePattern = /^bench-(\d+)-/;

/** The CPUs of a layout, as taskset lists them: the last one, which gets the fewest interrupts, or all. */
export function cpusOf(layout: Layout, processors: number): string {
  return layout === 'one CPU' ? String(processors - 1) : `0-${processors - 1}`;
}

/**
 * Starts a lab for every world that the plans need, with all pods and servers in it. Disposing of it takes everything down.
 * @throws UserError LAB_NOT_READY and what starting a lab throws; MillraceError BENCH_FAILED; the abort reason
 */
export async function createStage(request: StageRequest): Promise<Stage> {
  await sweep();
  const cleanup = new Cleanup();
  try {
    const pairs: Pair[] = [];
    const daemons: number[] = [];
    for (const world of worldNames) {
      const plans = request.plans.filter((plan) => plan.world === world);
      if (plans.length === 0) continue;
      request.onStep(`starting the lab of ${[...new Set(plans.map(({ configuration }) => configuration.name))].join(' and ')}`);
      const built = await createWorld(world, plans, request, cleanup);
      pairs.push(...built.pairs);
      daemons.push(...built.daemons);
    }
    const processors = cpus().length;
    return {
      pairs,
      arrange: (layout) => {
        const measured = pairs.flatMap(({ roles }) => [roles.serverApp, ...roles.proxies].flatMap(processesIn));
        pin(measured, cpusOf(layout, processors));
        pin(daemons, layout === 'one CPU' && processors > 1 ? `0-${processors - 2}` : cpusOf('spread', processors));
      },
      [Symbol.asyncDispose]: () => cleanup[Symbol.asyncDispose](),
    };
  } catch (error) {
    await cleanup[Symbol.asyncDispose]();
    throw error;
  }
}

async function createWorld(
  world: WorldName,
  plans: readonly PairPlan[],
  request: StageRequest,
  cleanup: Cleanup,
): Promise<{ readonly pairs: readonly Pair[]; readonly daemons: readonly number[] }> {
  const { signal } = request;
  signal.throwIfAborted();
  const instance = `bench-${process.pid}-${world}`;
  cleanup.defer(() => stopLab(instance));
  await startDaemon(labOptions(world, instance, request.sidecar.path));
  const client = new LabClient(instance);
  const { manifests } = parseManifests(manifestsOf(plans, request), `${world}.yaml`);
  await client.apply(manifests, { signal });
  const result = await untilSettled(client, { timeoutMs: settleMs, signal, onStatus: () => undefined });
  signal.throwIfAborted();
  if (result.kind !== 'settled') {
    const reason = result.kind === 'not ready' ? result.reason : 'it was interrupted';
    throw new UserError('LAB_NOT_READY', `Cannot measure because the lab of ${world} is not ready: ${reason}`, {
      cure: 'See the reason above.',
    });
  }
  expectEnforced(plans, result.status);
  const { services, pid, agent } = result.status;
  for (const pod of result.status.pods) plainLives(pod);
  const pods = podsOf(result.status.pods);
  const pairs = plans.map((plan) => pairOf(plan, pods, services, instance, request.sidecar.knowsServices));
  for (const pair of pairs) await startServers(pair, pods, request, cleanup);
  return { pairs, daemons: agent.pid === null ? [pid] : [pid, agent.pid] };
}

/** What the lab does not do must not be measured as if it did. @throws UserError BENCH_IMPOSSIBLE */
function expectEnforced(plans: readonly PairPlan[], { unenforced, acceleration }: LabStatus): void {
  const names = plans.map(({ configuration }) => configuration.name);
  const accelerated = names.find((name) => name.endsWith('+accelerate'));
  if (accelerated !== undefined && acceleration.state !== 'on') throw impossible(accelerated, 'acceleration is off', acceleration.reason);
  const policy = names.find((name) => name.startsWith('policy'));
  if (policy !== undefined && unenforced.length > 0) throw impossible(policy, 'policies are not enforced', unenforced[0]?.kind ?? '');
}

function impossible(name: string, reason: string, value: string): UserError {
  return new UserError('BENCH_IMPOSSIBLE', `Cannot measure ${name} because ${reason} here: ${value}`, {
    cure: 'Leave it out of --configs.',
    command: 'millrace bench --configs none,iptables,ebpf',
    exitCode: exitCodes.machine,
  });
}

function labOptions(world: WorldName, instance: string, sidecar: string): LabOptions {
  const redirect = world === 'plain' || world === 'policy' ? 'none' : world === 'iptables' ? 'iptables' : 'ebpf';
  const accelerate = world === 'accelerated' ? 'on' : 'off';
  return {
    instance,
    redirect,
    inbound: 'sk_lookup',
    accelerate,
    connections: false,
    certificateSeconds: 24 * 3600,
    envoy: redirect === 'none' ? null : sidecar,
  };
}

function pairOf(plan: PairPlan, pods: Pods, services: readonly LabService[], instance: string, knowsServices: boolean): Pair {
  const { namespace, meshed, configuration } = plan;
  const [client, server] = [pods(namespace, 'client'), pods(namespace, 'server')];
  const outside = configuration.kind === 'none' ? instance : null;
  const address = server.addresses[0] ?? '';
  // Who has no proxy dials what its name server and kube-proxy would have made of the service: the pod.
  const virtual = (name: string) => services.find((service) => service.namespace === namespace && service.name === name)?.clusterIP ?? '';
  const proxied = isProxied(plan);
  const places = { client: placeOf(client, outside), server: placeOf(server, outside) };
  return {
    plan,
    ...places,
    roles: {
      clientApp: places.client.cgroup,
      serverApp: places.server.cgroup,
      proxies: meshed ? [client, server].map((pod) => `${pod.cgroup}/istio-proxy`) : [],
    },
    url: `http://${proxied && knowsServices ? `${virtual('server')}:${servicePort}` : `${address}:${httpPort}`}`,
    stream: { address: proxied ? virtual('sink') : address, port: streamPort },
  };
}

/**
 * Where a pod's application runs. `none` is to be what a machine without us does: its processes are in the pod's namespace, but in a cgroup of
 * their own, where none of our programs sees their sockets.
 */
function placeOf(pod: LabPod, outsideOf: string | null): Place {
  const container = pod.containers.find(({ name }) => name === 'app');
  if (pod.netns === null || container?.exec == null) throw new Error(`pod ${pod.name} does not run`);
  if (outsideOf === null) return { cgroup: container.exec.cgroup, netns: pod.netns };
  const cgroup = createCgroup(`${labPaths(outsideOf, findCgroup2()).cgroup}/unseen/${pod.name}`);
  return { cgroup, netns: pod.netns };
}

async function startServers(pair: Pair, pods: Pods, request: StageRequest, cleanup: Cleanup): Promise<void> {
  const { programs, signal } = request;
  const everywhere = cpusOf('spread', cpus().length);
  const start = async (what: string, place: Place, argv: readonly string[]) =>
    cleanup.use(await startServer(what, placedCommand(place, everywhere, argv), signal));
  await start('the HTTP server', pair.server, [programs.path('http-server'), String(httpPort)]);
  if (!request.streams) return;
  const receiver = isProxied(pair.plan) ? placeOf(pods(pair.plan.namespace, 'sink'), null) : pair.server;
  await start('the receiver of streams', receiver, [programs.path('stream'), 'receive', String(streamPort)]);
}

/**
 * Thousands of connections within seconds: no socket stays in TIME_WAIT, and nearly all ports may be used. It is the same for every pod, and
 * concerns only the pod's own namespace.
 */
function plainLives(pod: LabPod): void {
  const set = 'echo 0 > /proc/sys/net/ipv4/tcp_max_tw_buckets && echo "16384 65535" > /proc/sys/net/ipv4/ip_local_port_range';
  execFileSync('nsenter', [`--net=${pod.netns}`, '--', 'sh', '-c', set], { stdio: ['ignore', 'ignore', 'pipe'] });
}

/** Finds a pod of a world. */
type Pods = (namespace: string, name: string) => LabPod;

function podsOf(all: readonly LabPod[]): Pods {
  return (namespace, name) => {
    const pod = all.find((candidate) => candidate.namespace === namespace && candidate.name === name);
    if (pod === undefined) throw new Error(`no pod ${namespace}/${name}`);
    return pod;
  };
}

/** Ends the labs of benchmarks that were killed: those named for a process that is no more. */
async function sweep(): Promise<void> {
  if (!existsSync('/run/millrace')) return;
  for (const name of readdirSync('/run/millrace')) {
    const pid = instancePattern.exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) await stopLab(name);
  }
}
