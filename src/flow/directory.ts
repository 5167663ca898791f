import type { policyMatchNames } from './codes.ts';
import type { ServiceName, Workload } from './types.ts';

/** What is known of a pod. */
export interface FlowPod {
  /** A small number that names the pod on its node, as Cilium's endpoint id; 0 where it has none. */
  readonly id: number;
  readonly identity: number;
  readonly namespace: string;
  readonly name: string;
  readonly workload: Workload | null;
}

/**
 * Who is who. Flows are named when somebody asks for them, not when they happen, so an implementation keeps a pod that has gone for some
 * minutes. Addresses are canonical text (RFC 5952), IPv4 with dots. Every answer must be quick: no I/O.
 */
export interface Directory {
  /** `k8s:app=sleep`, `reserved:world`, sorted; empty for an identity that is not known. */
  labelsOf(identity: number): readonly string[];
  podAt(address: string): FlowPod | null;
  /** The identity behind an address, for flows that come without one (access logs); 2 (world) where nothing is known. */
  identityAt(address: string): number;
  /** The service whose ClusterIP and port this is. */
  serviceAt(address: string, port: number): ServiceName | null;
  /** DNS names that resolved to the address. */
  namesOf(address: string): readonly string[];
  /** The name of an interface of the node; empty where it is gone. */
  interfaceName(index: number): string;
}

/** What decided about a packet (the `rule` of an event). */
export interface FlowRule {
  readonly policies: readonly {
    readonly kind: string;
    readonly namespace: string;
    readonly name: string;
    readonly labels: readonly string[];
  }[];
  /** How specific the row was. */
  readonly matchType: (typeof policyMatchNames)[number];
  /** The policy's `log.value`, where it has one. */
  readonly log: string | null;
}

/** Names of rules; numbers are never reused, so a rule that has gone may still be answered. */
export interface RuleDirectory {
  ruleOf(rule: number): FlowRule | null;
}

/** Knows nobody: for flows before anything was learned, and tests. */
export const emptyDirectory: Directory & RuleDirectory = {
  labelsOf: () => [],
  podAt: () => null,
  identityAt: () => 2,
  serviceAt: () => null,
  namesOf: () => [],
  interfaceName: () => '',
  ruleOf: () => null,
};
