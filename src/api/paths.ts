/** Where the processes of one instance keep their run-time files. Pure: names only. */
export interface InstancePaths {
  /** /run/millrace/INSTANCE */
  readonly run: string;
  readonly agentSocket: string;
  readonly agentLog: string;
  /** What the agent was asked to enrol, so that a new agent takes it over. */
  readonly agentState: string;
  /** A mode of acceleration that was set while an agent ran. */
  readonly agentAcceleration: string;
  /** What it was asked to enforce. */
  readonly agentPolicies: string;
  /** Hubble's API. */
  readonly hubbleSocket: string;
  readonly labSocket: string;
  readonly labLog: string;
  /** A bpf file system of the instance's own, where the lab mounts one. */
  readonly bpffs: string;
}

/** Instance names are RFC 1123 labels (checked by the command line). */
export function instancePaths(instance: string): InstancePaths {
  const run = `/run/millrace/${instance}`;
  return {
    run,
    agentSocket: `${run}/agent.sock`,
    agentLog: `${run}/agent.log`,
    agentState: `${run}/pods.json`,
    agentAcceleration: `${run}/acceleration.json`,
    agentPolicies: `${run}/policies.json`,
    hubbleSocket: `${run}/hubble.sock`,
    labSocket: `${run}/lab.sock`,
    labLog: `${run}/lab.log`,
    bpffs: `${run}/bpf`,
  };
}
