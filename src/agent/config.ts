import type { AccelerationMode } from '../api/types.ts';
import type { FlowOptions } from './flow-options.ts';

/** How an agent is started. Paths are absolute. */
export interface AgentConfig {
  readonly instance: string;
  readonly version: string;
  /** The cgroup v2 directory whose processes are the pods'. */
  readonly cgroup: string;
  /** A directory on a bpf file system. */
  readonly pins: string;
  readonly socket: string;
  /** Where the list of desired pods is kept. */
  readonly state: string;
  /** Whether connections between pods are accelerated; what was set while an agent ran counts for more. */
  readonly accelerate: AccelerationMode;
  /** Where that is kept. */
  readonly accelerationFile: string;
  /** Where the list of desired policies is kept. */
  readonly policyState: string;
  /** Path of the network namespace that the pods' interfaces lead to; null: the agent's own. */
  readonly nodeNetns: string | null;
  readonly flows: FlowOptions;
  /** The compiled programs. */
  readonly object: string;
  /** Count runs and time of every program (a few nanoseconds a run). */
  readonly statistics: boolean;
  /** Milliseconds between two comparisons of the kernel with what should be there. */
  readonly reconcileEveryMs: number;
}
