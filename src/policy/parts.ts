import type { Cidr } from '../pods/types.ts';
import type { NamedPort } from './identity.ts';
import type { RowItem, RowTemplate } from './rows.ts';
import type { Direction, Peer, PolicyCell, PolicyRow } from './types.ts';

// What the compiler keeps between two compilations. The parts point at each other, so they stand in one file.

/** A peer without the services: those are resolved to what they stand for before. */
export type PlainPeer = Exclude<Peer, { readonly kind: 'service' | 'services' }>;

/** One way to name identities, shared by all rules that name them so, with those that it names now. */
export interface PeerEntry {
  readonly key: string;
  readonly peer: PlainPeer;
  readonly ids: Set<number>;
  /** Sections that select by it, and sections with rules that name it; null while there is none. */
  subjectOf: Set<ExpandedSection> | null;
  peerOf: Set<ExpandedSection> | null;
}

/** A port that a pod gives a name, to be looked up where the pod is known. */
export interface NamedItem {
  readonly name: string;
  readonly protocol: number | null;
  readonly tier: number;
  readonly cell: PolicyCell;
}

/** A rule as the rows need it. */
export interface ExpandedRule {
  /** Different for every rule that was ever expanded. */
  readonly serial: number;
  readonly everybody: boolean;
  readonly entries: readonly PeerEntry[];
  readonly items: readonly RowItem[];
  readonly named: readonly NamedItem[];
  /** The rows of this rule alone, made when first needed. */
  templates: readonly RowTemplate[] | null;
}

/** One `spec`, ready to be combined with the others that select a pod. */
export interface ExpandedSection {
  readonly serial: number;
  readonly subject: PeerEntry;
  readonly ingress: readonly ExpandedRule[];
  readonly egress: readonly ExpandedRule[];
  readonly enforced: Readonly<Record<Direction, boolean>>;
  readonly denyIngress: PolicyCell | null;
  readonly denyEgress: PolicyCell | null;
  /** Whether the ports that a selected pod names make a difference. */
  readonly namedIngress: boolean;
  readonly ruleIds: readonly number[];
  readonly interests: SectionInterests;
  /** Groups that it is part of; null while there is none. */
  groups: Set<Group> | null;
}

/** Identities with the same policy: the same sections select them, and the same ports have names. */
export interface Group {
  readonly key: string;
  readonly policy: number;
  readonly sections: readonly ExpandedSection[];
  readonly namedPorts: readonly NamedPort[];
  readonly enforced: Readonly<Record<Direction, boolean>>;
  /** How many identities are in it. */
  members: number;
  rows: readonly PolicyRow[];
}

export interface Block {
  readonly key: string;
  readonly cidr: Cidr;
  readonly except: readonly Cidr[];
}

export interface FqdnInterest {
  readonly key: string;
  readonly match: 'name' | 'pattern';
  readonly text: string;
}

/** What one section makes the identities depend on. */
export interface SectionInterests {
  /** Keys of labels that identities usually leave out. */
  readonly labels: readonly string[];
  readonly ports: readonly string[];
  readonly ranges: readonly Cidr[];
  readonly blocks: readonly Block[];
  readonly fqdns: readonly FqdnInterest[];
  readonly nodes: boolean;
}
