import { instancePaths } from '../api/paths.ts';

/** Every file and folder of one lab instance. Pure: names only. */
export interface LabPaths {
  /** /run/millrace/INSTANCE */
  readonly run: string;
  readonly labSocket: string;
  readonly labLog: string;
  /** Process id and start time of the daemon; exists while it runs. */
  readonly lock: string;
  readonly agentSocket: string;
  readonly agentLog: string;
  readonly agentState: string;
  readonly bpffs: string;
  readonly pods: string;
  /** The instance's own cgroup v2 subtree. */
  readonly cgroup: string;
  /** The part of it that holds pods and that the agent attaches to. */
  readonly podsCgroup: string;
  readonly nodeCgroup: string;
  readonly agentCgroup: string;
}

/** @param cgroupMount where cgroup v2 is mounted */
export function labPaths(instance: string, cgroupMount: string): LabPaths {
  const base = instancePaths(instance);
  const cgroup = `${cgroupMount}/millrace/${instance}`;
  return {
    run: base.run,
    labSocket: base.labSocket,
    labLog: base.labLog,
    lock: `${base.run}/lab.pid`,
    agentSocket: base.agentSocket,
    agentLog: base.agentLog,
    agentState: base.agentState,
    bpffs: base.bpffs,
    pods: `${base.run}/pods`,
    cgroup,
    podsCgroup: `${cgroup}/pods`,
    nodeCgroup: `${cgroup}/node`,
    agentCgroup: `${cgroup}/agent`,
  };
}

/** Folder and cgroup name of a pod. Kubernetes names have no underscore, so two pods never share one. */
export function podFolder(namespace: string, name: string): string {
  return `${sanitise(namespace)}_${sanitise(name)}`;
}

/** A container's log, inside the pod's folder. */
export function logPath(paths: LabPaths, namespace: string, pod: string, container: string): string {
  return `${paths.pods}/${podFolder(namespace, pod)}/logs/${sanitise(container)}.log`;
}

export function containerCgroup(paths: LabPaths, namespace: string, pod: string, container: string): string {
  return `${paths.podsCgroup}/${podFolder(namespace, pod)}/${sanitise(container)}`;
}

/** Keeps letters, digits, dots and dashes; a name can then not climb out of its folder. */
export function sanitise(name: string): string {
  const kept = name.replace(/[^a-zA-Z0-9.-]/g, '-').slice(0, 253);
  return kept === '' || kept.startsWith('.') ? `-${kept}` : kept;
}
