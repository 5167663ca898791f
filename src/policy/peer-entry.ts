import { assertNever } from '../base/errors.ts';
import type { IdentityRecord } from './identity.ts';
import type { PlainPeer } from './parts.ts';
import { blockCovers, blockKey } from './prefix-map.ts';
import { compileSelector, selectorKey } from './selectors.ts';

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

/** Whether the peer names an identity, as a function that is asked often. */
export function peerMatcher(peer: PlainPeer): (record: IdentityRecord) => boolean {
  switch (peer.kind) {
    case 'endpoints': {
      const selects = compileSelector(peer.selector);
      return ({ labels }) => selects(labels);
    }
    case 'nodes': {
      const selects = compileSelector(peer.selector);
      return ({ labels }) => (labels.has('reserved:host') || labels.has('reserved:remote-node')) && selects(labels);
    }
    case 'cidr': {
      const { cidr, except, inCluster } = peer;
      const key = blockKey(cidr, except);
      return ({ range, blocks }) => (range === null ? inCluster && blocks.has(key) : blockCovers(cidr, except, range));
    }
    case 'fqdn': {
      const key = fqdnKey(peer);
      return ({ fqdns }) => fqdns.has(key);
    }
    default:
      return assertNever(peer, 'kind of peer');
  }
}
