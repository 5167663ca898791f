import type { AccelerationMode } from '../api/types.ts';
import type { Manifest, ManifestWarning } from '../manifests/types.ts';
import type { ContainerCondition, PodPhase } from './plan/container-state.ts';
import type { ObjectOutcome, ObjectReference } from './plan/objects.ts';

/**
 * The lab's local API: JSON over HTTP on /run/millrace/INSTANCE/lab.sock, mode 0600.
 *
 *   GET  /v1/status   → LabStatus
 *   GET  /v1/pods     → LabPod[]
 *   POST /v1/apply    ← { manifests }    → { outcomes }
 *   POST /v1/delete   ← { references }   → { outcomes }
 *   POST /v1/down     → {}               answers when everything is stopped; the process ends after it
 *
 * Errors: HTTP 4xx/5xx with ApiError as the body.
 */
export interface ApplyRequest {
  readonly manifests: readonly Manifest[];
}

export interface DeleteRequest {
  readonly references: readonly ObjectReference[];
}

export interface OutcomesResponse {
  readonly outcomes: readonly ObjectOutcome[];
  readonly warnings: readonly ManifestWarning[];
}

export interface LabOptions {
  readonly instance: string;
  readonly redirect: 'ebpf' | 'iptables' | 'none';
  readonly inbound: 'sk_lookup' | 'bind';
  /** Whether connections between pods are accelerated, as `millrace agent --accelerate` has it. */
  readonly accelerate: AccelerationMode;
  /** Whether connections are told as flows when they open and when they close; a few microseconds each. */
  readonly connections: boolean;
  /** Seconds that a workload certificate is valid. */
  readonly certificateSeconds: number;
  /** Absolute path of the Envoy binary; null when nothing is redirected. */
  readonly envoy: string | null;
}

/** What the agent last said. `testing`: its self-test is not over; `unknown`: it has not been asked yet. */
export interface LabAcceleration {
  readonly state: 'on' | 'off' | 'testing' | 'unknown';
  readonly mode: AccelerationMode;
  readonly reason: string;
}

export interface LabStatus {
  readonly instance: string;
  readonly pid: number;
  readonly startedAt: string;
  readonly redirect: LabOptions['redirect'];
  readonly inbound: LabOptions['inbound'] | null;
  readonly acceleration: LabAcceleration;
  /** starting: the node or the agent is not there yet; settled: every pod is what the objects ask for, and ready. */
  readonly state: 'starting' | 'changing' | 'settled' | 'stopping';
  readonly agent: {
    readonly state: 'starting' | 'running' | 'restarting' | 'not needed';
    readonly pid: number | null;
    readonly restarts: number;
    readonly lastError: string | null;
  };
  readonly dnsAddress: string;
  readonly pods: readonly LabPod[];
  readonly services: readonly LabService[];
  /** Every policy that was applied, of every kind that the kernel enforces. */
  readonly policies: readonly LabPolicy[];
  /** Those of them that are invalid, and so not enforced. */
  readonly unenforced: readonly ObjectReference[];
  /** What went wrong and is being tried again. */
  readonly problems: readonly string[];
}

/** A policy and what became of it, as its condition `Valid` says. */
export interface LabPolicy extends ObjectReference {
  readonly valid: boolean;
  readonly reasons: readonly string[];
}

export interface LabContainer extends ContainerCondition {
  readonly image: string;
  readonly log: string;
  /** What `lab exec` needs; null while the container does not run. */
  readonly exec: ExecTarget | null;
}

export interface ExecTarget {
  readonly pid: number;
  readonly cgroup: string;
  readonly uid: number;
  readonly gid: number;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}

export interface LabPod {
  readonly namespace: string;
  readonly name: string;
  readonly owner: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly phase: PodPhase;
  readonly ready: boolean;
  readonly terminating: boolean;
  readonly injected: boolean;
  readonly addresses: readonly string[];
  /** The process that holds the pod's namespaces; null before and after. */
  readonly holderPid: number | null;
  /** /proc/PID/ns/net of that process. */
  readonly netns: string | null;
  /** The pod's cgroup directory. */
  readonly cgroup: string;
  readonly ageSeconds: number;
  readonly containers: readonly LabContainer[];
  /** Why the pod cannot run, in words. */
  readonly problem: string | null;
}

export interface LabService {
  readonly namespace: string;
  readonly name: string;
  /** '' for a headless one. */
  readonly clusterIP: string;
  readonly ports: readonly { readonly port: number; readonly targetPort: number | string; readonly protocol: string }[];
}
