import type { Backend } from '../pods/types.ts';
import type { PolicyAgentStatus } from './policy-types.ts';

/**
 * The agent's local API: JSON over HTTP on a unix socket (/run/millrace/INSTANCE/agent.sock, mode 0600).
 *
 *   GET    /v1/status         → AgentStatus
 *   GET    /v1/pods           → PodStatus[]
 *   PUT    /v1/pods           ← PodRequest        → PodStatus     enrol, or change what is enrolled
 *   DELETE /v1/pods/NAME      (NAME percent-encoded)              release
 *   GET    /v1/acceleration   → AccelerationStatus
 *   PUT    /v1/acceleration   ← { mode }          → AccelerationStatus   answers when it is on or off
 *   GET    /v1/metrics        → { text, contentType }            what Prometheus reads
 *   PUT    /v1/services       ← ServiceEntry[]                    the whole table; flows that no proxy sees are translated by it
 *   GET    /v1/policies       → PolicyOverview                    every policy, whom it selects, valid or not
 *   PUT    /v1/policies       ← PolicyUpdate      → PolicyChange  the whole list and what it depends on
 *   POST   /v1/policies       ← { policies }      → PolicyChange  add or change some; they win over the list
 *   DELETE /v1/policies/NAME  (KIND/NAMESPACE/NAME, percent-encoded) → PolicyChange
 *   POST   /v1/policy-names   ← NameAnswer        → NameOutcome
 *   POST   /v1/policy-trace   ← TraceRequest      → TraceAnswer
 *
 * Errors: HTTP 4xx/5xx with ApiError as the body.
 */
export interface ApiError {
  readonly code: string;
  readonly message: string;
  readonly cure: string | null;
  /** A command that solves it or shows more. */
  readonly command: string | null;
}

/** One virtual address and port of a service, and the pods behind it. */
export interface ServiceEntry {
  readonly address: string;
  readonly port: number;
  readonly protocol: 'TCP';
  /** Seconds for which a client keeps its backend (sessionAffinity: ClientIP); absent: none. */
  readonly affinitySeconds?: number;
  readonly backends: readonly { readonly address: string; readonly port: number }[];
}

export interface ListenerStatus {
  readonly role: 'outbound' | 'inbound';
  readonly port: number;
  /** Whether the kernel knows a listening socket of the proxy for this port. */
  readonly present: boolean;
}

export interface PodStatus {
  readonly name: string;
  readonly netns: string;
  /** The network namespace cookie, decimal: it does not fit a JSON number. */
  readonly cookie: string;
  /** `auto` only while the pod is absent. */
  readonly backend: Backend | 'auto';
  readonly meshed: boolean;
  /** Its security identity; 0 while policy does not know it. */
  readonly identity: number;
  readonly addresses: readonly string[];
  readonly listeners: readonly ListenerStatus[];
  /** What is not as desired, in words; empty when all is well. */
  readonly problems: readonly string[];
}

export interface ProgramStatus {
  readonly name: string;
  /** 0 where it is missing. */
  readonly id: number;
  readonly tag: string;
  /** The hook and what it belongs to, or `detached` or `missing`: the agent puts those back. */
  readonly attached: string;
  /** Verified instructions. */
  readonly instructions: number;
  /** Runs and nanoseconds while statistics were on (agent --stats, or anybody's BPF_ENABLE_STATS); the kernel counts nothing otherwise. */
  readonly runs: number;
  readonly nanoseconds: number;
}

export interface MapStatus {
  readonly name: string;
  readonly type: string;
  readonly entries: number | null;
  readonly maxEntries: number;
  /** Keys and values of a full map, without the kernel's own overhead. */
  readonly bytes: number;
}

/** `auto`: on where the self-test passes; `on`: the same, and worth a warning where it does not; `off`: off. */
export type AccelerationMode = 'auto' | 'on' | 'off';

export interface AccelerationCheck {
  /** `safety` decides whether anything is accelerated; `application` whether applications could be without asking their owners. */
  readonly kind: 'safety' | 'application';
  readonly name: string;
  readonly passed: boolean;
  readonly detail: string;
}

export interface AccelerationStatus {
  readonly mode: AccelerationMode;
  /** Whether connections are accelerated now. */
  readonly active: boolean;
  /** A self-test runs: it is not decided yet. */
  readonly testing: boolean;
  /** Why it is on or off, in words. */
  readonly reason: string;
  /** What the last self-test of this agent found; they join by annotation in either case. null: it has not tested. */
  readonly applications: 'by annotation' | 'all' | null;
  readonly checks: readonly AccelerationCheck[];
  /** Milliseconds that the self-test took. */
  readonly testMs: number | null;
  /** Sockets that take part now. */
  readonly sockets: number;
  /** What went past TCP since the tables were made. */
  readonly messages: number;
  readonly bytes: number;
  /** Why sockets did not join and messages went by TCP: counters by name (docs/acceleration.md). */
  readonly reasons: Readonly<Record<string, number>>;
}

export interface AgentStatus {
  readonly instance: string;
  readonly version: string;
  readonly pid: number;
  readonly startedAt: string;
  /** Milliseconds from process start until all pods were redirected. */
  readonly readyAfterMs: number;
  /** true: found the pins of an earlier agent and took them over. */
  readonly adopted: boolean;
  readonly cgroup: string;
  readonly pins: string;
  readonly abiVersion: number;
  readonly rssBytes: number;
  /** Who redirects pods that ask for `auto`, and why nobody better. */
  readonly redirectMode: { readonly backend: Backend; readonly reason: string };
  readonly acceleration: AccelerationStatus;
  readonly programs: readonly ProgramStatus[];
  readonly maps: readonly MapStatus[];
  readonly counters: Readonly<Record<string, number>>;
  readonly pods: readonly PodStatus[];
  readonly policies: PolicyAgentStatus;
  readonly drift: { readonly repaired: number; readonly last: string | null };
  readonly lostEvents: number;
  /** Why a new agent would not know the pods and policies of this one (its disk is full); null: it would. Written as soon as there is room. */
  readonly unsaved: string | null;
  readonly flows: FlowStatus;
}

/** Where flows are served, and what became of the kernel's events since the programs were loaded, whichever agent read them: emitted = delivered + lost + what waits. */
export interface FlowStatus {
  readonly socket: string;
  /** `127.0.0.1:4245`; null without TCP. */
  readonly address: string | null;
  readonly metrics: string | null;
  readonly emitted: number;
  readonly delivered: number;
  /** The ring was full. */
  readonly lost: number;
  /** Kept back because their pod had said too much within a second. */
  readonly suppressed: number;
}

/** POST /v1/dns: questions that a name server of the node answered since the last call. */
export interface DnsReport {
  readonly exchanges: readonly DnsReportEntry[];
  /** Questions that were answered and are not among them, because there were too many. */
  readonly skipped: number;
}

export interface DnsReportEntry {
  /** When the question came, in milliseconds since 1970. */
  readonly timeMs: number;
  readonly latencyMs: number;
  readonly transport: 'TCP' | 'UDP';
  readonly client: { readonly address: string; readonly port: number };
  readonly server: { readonly address: string; readonly port: number };
  /** With its last dot. */
  readonly query: string;
  /** `A` */
  readonly type: string;
  /** RFC 1035 §4.1.1: 0 is no error, 3 no such name. */
  readonly code: number;
  readonly addresses: readonly string[];
  /** Targets of CNAME records. */
  readonly names: readonly string[];
  /** Kinds of records in the answer. */
  readonly types: readonly string[];
  /** Seconds. */
  readonly ttl: number;
}
