import type { ServiceImpl } from '@connectrpc/connect';
import type { Peer } from './gen/peer/peer_pb.js';
import { ChangeNotificationType } from './gen/peer/peer_pb.js';

/** A server of flows on some node. */
export interface FlowPeer {
  readonly name: string;
  /** `address:port` */
  readonly address: string;
  /** The name in its certificate; null where it speaks without TLS. */
  readonly tlsServerName: string | null;
}

/** The servers of the cluster, for a relay that asks them all. */
export interface PeerSource {
  current(): readonly FlowPeer[];
  /** Calls back when `current` has changed; the returned function ends that. */
  subscribe(changed: () => void): () => void;
}

/** peer.Peer of Hubble's API: all servers at first, then what changes. */
export function peerService(source: PeerSource): ServiceImpl<typeof Peer> {
  return {
    async *notify(_request, { signal }) {
      let resume: () => void = () => {};
      let changes = 1;
      const wake = (): void => {
        changes += 1;
        resume();
      };
      const unsubscribe = source.subscribe(wake);
      signal.addEventListener('abort', wake, { once: true });
      const known = new Map<string, FlowPeer>();
      try {
        for (let seen = 0; !signal.aborted; ) {
          if (seen === changes) {
            await new Promise<void>((resolve) => {
              resume = resolve;
            });
            continue;
          }
          seen = changes;
          yield* differences(known, source.current());
        }
      } finally {
        unsubscribe();
        signal.removeEventListener('abort', wake);
      }
    },
  };
}

function* differences(known: Map<string, FlowPeer>, now: readonly FlowPeer[]) {
  const { PEER_ADDED, PEER_DELETED, PEER_UPDATED } = ChangeNotificationType;
  for (const peer of [...known.values()].filter(({ name }) => now.every((other) => other.name !== name))) {
    known.delete(peer.name);
    yield notification(peer, PEER_DELETED);
  }
  for (const peer of now) {
    const before = known.get(peer.name);
    if (before?.address === peer.address && before.tlsServerName === peer.tlsServerName) continue;
    known.set(peer.name, peer);
    yield notification(peer, before === undefined ? PEER_ADDED : PEER_UPDATED);
  }
}

function notification({ name, address, tlsServerName }: FlowPeer, type: ChangeNotificationType) {
  return { name, address, type, ...(tlsServerName === null ? {} : { tls: { serverName: tlsServerName } }) };
}
