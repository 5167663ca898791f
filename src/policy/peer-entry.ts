import { assertNever } from '../base/errors.ts';
import type { ExpandedSection } from './expand.ts';
import type { IdentityRecord } from './identity.ts';
import { blockCovers, blockKey } from './prefix-map.ts';
import { matchesSelector, selectorKey } from './selectors.ts';
import type { Peer } from './types.ts';

/** A peer without the services: those are resolved to what they stand for before. */
export type PlainPeer = Exclude<Peer, { readonly kind: 'service' | 'services' }>;

/** One way to name identities, shared by all rules that name them so, with those that it names now. */
export interface PeerEntry {
  readonly key: string;
  readonly peer: PlainPeer;
  readonly ids: Set<number>;
  /** Sections that select by it, and sections with rules that name it. */
  readonly subjectOf: Set<ExpandedSection>;
  readonly peerOf: Set<ExpandedSection>;
}

/** Equal for peers that name the same identities. */
export function peerKey(peer: PlainPeer): string {
  switch (peer.kind) {
    case 'endpoints':
      return `endpoints ${selectorKey(peer.selector)}`;
    case 'nodes':
      return `nodes ${selectorKey(peer.selector)}`;
    case 'cidr':
      return `cidr ${peer.inCluster ? 'all' : 'outside'} ${blockKey(peer.cidr, peer.except)}`;
    case 'fqdn':
      return fqdnKey(peer);
    default:
      return assertNever(peer, 'kind of peer');
  }
}

export function fqdnKey(peer: { readonly match: 'name' | 'pattern'; readonly text: string }): string {
  return `fqdn ${peer.match} ${peer.text}`;
}

/** Whether a peer names an identity. */
export function namesIdentity(peer: PlainPeer, record: IdentityRecord): boolean {
  switch (peer.kind) {
    case 'endpoints':
      return matchesSelector(record.labels, peer.selector);
    case 'nodes':
      return (
        (record.labels.has('reserved:host') || record.labels.has('reserved:remote-node')) && matchesSelector(record.labels, peer.selector)
      );
    case 'cidr':
      if (record.range !== null) return blockCovers(peer.cidr, peer.except, record.range);
      return peer.inCluster && record.blocks.has(blockKey(peer.cidr, peer.except));
    case 'fqdn':
      return record.fqdns.has(fqdnKey(peer));
    default:
      return assertNever(peer, 'kind of peer');
  }
}
