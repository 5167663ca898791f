/** Where a container is in its life. Times are milliseconds of a monotonic clock. */
export type ContainerState =
  | { readonly kind: 'waiting'; readonly reason: 'PodStarting' | 'ProxyStarting' | 'Preparing' | 'CrashLoopBackOff' }
  | { readonly kind: 'running'; readonly pid: number; readonly since: number }
  | { readonly kind: 'ended'; readonly exitCode: number; readonly signal: string | null }
  /** It can never start: the image's program is missing, the network cannot be made. */
  | { readonly kind: 'refused'; readonly reason: string };

export interface ContainerCondition {
  readonly name: string;
  readonly state: ContainerState;
  readonly ready: boolean;
  readonly restarts: number;
  readonly lastExit: { readonly exitCode: number; readonly signal: string | null } | null;
}

/** The one word that `lab status` shows for a pod. */
export type PodPhase = 'Pending' | 'Starting' | 'Running' | 'Ready' | 'CrashLoopBackOff' | 'Succeeded' | 'Failed' | 'Terminating';

/** The phase that follows from the containers; the worst one wins. */
export function podPhase(containers: readonly ContainerCondition[], terminating: boolean): PodPhase {
  if (terminating) return 'Terminating';
  const states = containers.map((container) => container.state);
  if (states.some((state) => state.kind === 'refused')) return 'Failed';
  if (states.some((state) => state.kind === 'waiting' && state.reason === 'CrashLoopBackOff')) return 'CrashLoopBackOff';
  if (states.every((state) => state.kind === 'waiting' && state.reason === 'PodStarting')) return 'Pending';
  const ended = states.filter((state) => state.kind === 'ended');
  if (ended.length > 0) return endedPhase(containers);
  if (states.some((state) => state.kind === 'waiting')) return 'Starting';
  return containers.every((container) => container.ready) ? 'Ready' : 'Running';
}

/** Ended for good: the sidecar, which never ends by itself, does not keep a job from having succeeded. */
function endedPhase(containers: readonly ContainerCondition[]): PodPhase {
  const apps = containers.filter((container) => container.name !== proxyContainerName);
  if (apps.some(({ state }) => state.kind === 'ended' && state.exitCode !== 0)) return 'Failed';
  return apps.every(({ state }) => state.kind === 'ended') ? 'Succeeded' : 'Running';
}

/** Istio's name for the sidecar container. */
export const proxyContainerName = 'istio-proxy';
/** uid and gid of the sidecar, Istio's. */
export const proxyId = 1337;
