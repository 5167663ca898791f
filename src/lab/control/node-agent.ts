import type { PolicyUpdate } from '../../api/policy-types.ts';
import type { ServiceEntry } from '../../api/types.ts';
import type { PodRequest } from '../../pods/types.ts';
import type { LabAcceleration, LabStatus } from '../api.ts';

/** What the lab asks of the node agent. It keeps what it was asked, and asks again when the agent had to be started anew. */
export interface NodeAgentPort {
  /**
   * Resolves when the agent has taken the pod: captured flows no longer leave it past the proxy. Waits for an agent that is not there.
   * @throws UserError AGENT_REFUSED; the abort reason
   */
  enrol(pod: PodRequest, signal: AbortSignal): Promise<void>;
  /** Never rejects: a pod that goes away takes its network namespace, and with it its redirection, along. */
  release(name: string): Promise<void>;
  /** Replaces the whole table; sent now or, when the agent is away, as soon as it is back. */
  setServices(services: readonly ServiceEntry[]): void;
  /**
   * Replaces all policies and what they depend on. Resolves when the kernel judges by them, at once where the agent is away: it is told before the next
   * pod is. Never rejects.
   */
  setPolicies(update: PolicyUpdate): Promise<void>;
  /** Why the policies that were set last do not hold; null: they do, or the agent is away. */
  readonly policyProblem: string | null;
  status(): LabStatus['agent'];
  /** What it last said of acceleration; null before it was asked. */
  readonly acceleration: LabAcceleration | null;
  /** Asks again. Never rejects: what is in the kernel stays while an agent is away. */
  refresh(): Promise<void>;
  close(): Promise<void>;
}
