import type { PolicyManifest } from '../manifests/types.ts';
import type { PolicyListing } from '../policy/explain.ts';
import type { Direction, PolicyKind, PolicyNamespace, PolicyNode, PolicyPod, PolicyService } from '../policy/types.ts';

/** What policy depends on besides the policies themselves and the pods that are enrolled. */
export interface PolicySurroundings {
  readonly namespaces: readonly PolicyNamespace[];
  readonly services: readonly PolicyService[];
  /** Without a `local` one the agent names the addresses of its own node. */
  readonly nodes: readonly PolicyNode[];
  /** Pods of other nodes; those of this one are known by their enrolment. */
  readonly pods?: readonly PolicyPod[];
  /** Addresses that DNS gave the pods, by name in lower case. */
  readonly names?: Readonly<Record<string, readonly string[]>>;
}

/** PUT /v1/policies: the whole list, in the place of the one before. */
export interface PolicyUpdate extends PolicySurroundings {
  readonly policies: readonly PolicyManifest[];
}

/** POST /v1/policy-names: what DNS told a pod. The name that was asked for counts, not those that it is an alias of. */
export interface NameAnswer {
  readonly name: string;
  readonly addresses: readonly string[];
  /** Seconds. */
  readonly ttl: number;
}

/** What it answers when the kernel judges by it. */
export interface NameOutcome {
  /** Those of the addresses that policy goes by now; none where no toFQDNs asks for the name. */
  readonly learned: readonly string[];
}

/** What became of an object: as `kubectl` says it. */
export interface PolicyOutcome {
  readonly kind: PolicyKind;
  readonly namespace: string;
  readonly name: string;
  readonly outcome: 'created' | 'configured' | 'unchanged' | 'deleted' | 'not found';
}

/** POST /v1/policies and what it answers: every policy named, and when the kernel judges by them. */
export interface PolicyChange {
  readonly outcomes: readonly PolicyOutcome[];
  /** From the call until the kernel judged by it. */
  readonly milliseconds: number;
}

/** One policy as `policy list` shows it. */
export interface PolicyEntry extends PolicyListing {
  /** Who it was made by: the whole list (a cluster, a lab), or an operator one by one. */
  readonly origin: 'list' | 'operator';
  /** Pods of this node that it selects and at which nothing is enforced, with the reason. */
  readonly notEnforced: readonly { readonly pod: string; readonly reason: string }[];
}

/** A pod that policy knows. */
export interface PolicyPodView {
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** The name of what it was made by, or its own. */
  readonly owner: string;
  readonly addresses: readonly string[];
  readonly identity: number;
  /** Whether it is one of this node. */
  readonly local: boolean;
}

/** A service that policy knows: where a connection to it is judged is at its pods. */
export interface PolicyServiceView {
  readonly namespace: string;
  readonly name: string;
  readonly clusterIPs: readonly string[];
  /** `NAMESPACE/NAME` */
  readonly pods: readonly string[];
}

/** GET /v1/policies */
export interface PolicyOverview {
  readonly services: readonly PolicyServiceView[];
  readonly policies: readonly PolicyEntry[];
  readonly pods: readonly PolicyPodView[];
}

/** POST /v1/policy-trace: a first packet. Addresses; `port` of ICMP is its type × 256. */
export interface TraceRequest {
  readonly source: string;
  readonly destination: string;
  readonly protocol: number;
  readonly port: number;
}

/** What the loaded program did with the packet. */
export type ProgramVerdict =
  | { readonly kind: 'pass' | 'drop'; readonly program: string; readonly interfaceIndex: number }
  | { readonly kind: 'not asked'; readonly reason: string };

export interface TraceSideAnswer {
  readonly direction: Direction;
  readonly pod: string;
  readonly identities: { readonly subject: number; readonly peer: number };
  /** What the compiled tables say, and Cilium's number of the reason where they deny. */
  readonly verdict: 'allow' | 'deny';
  readonly reason: number | null;
  /** Denied, but the pod is only audited: it passes. */
  readonly audited: boolean;
  readonly program: ProgramVerdict;
  /** false: the program did something else than the tables say. */
  readonly agrees: boolean;
  /** Which rule decided, in a sentence. */
  readonly text: string;
}

export interface TraceAnswer {
  readonly request: TraceRequest;
  readonly verdict: 'allow' | 'deny';
  readonly agrees: boolean;
  readonly text: string;
  readonly sides: readonly TraceSideAnswer[];
}

/** Of AgentStatus. */
export interface PolicyAgentStatus {
  readonly count: number;
  readonly invalid: number;
  /** How long the last change took until the kernel judged by it; null before the first one. */
  readonly lastApplyMs: number | null;
  readonly identities: number;
  /** Rows of mr_policy. */
  readonly rows: number;
  /** Why the policies that are wished for do not hold, in words; null: they do. */
  readonly problem: string | null;
}
