import type { RedirectConfig } from '../pods/types.ts';
import type { Identity } from './identity.ts';
import type { Place } from './topology.ts';

/** A way to redirect, as a row is run under it. */
export const modes = ['iptables', 'sk_lookup', 'bind'] as const;
export type Mode = (typeof modes)[number];

/** Which of the stand-in proxy's listeners there are. */
export type ProxyShape =
  /** 15001 and 15006 on 0.0.0.0 and on [::] (IPv6 alone), the DNS agent on 127.0.0.1 and ::1. */
  | 'up'
  /** 15001 and 15006 on [::] for both families. */
  | 'dual'
  /** 15001 and 15006 on 127.0.0.1 and ::1 only. */
  | 'loopback'
  /** As `up`, without the DNS agent. */
  | 'no-agent'
  | 'down';

/** A pod as a group of rows needs it. */
export interface World {
  /** How the pod is configured, in the words of Istio's knobs. */
  readonly name: string;
  readonly config: Partial<RedirectConfig>;
  readonly proxy: ProxyShape;
  /** The pod has a user namespace, whose ids begin at this one outside. */
  readonly firstId: number | null;
}

/** How a client makes its socket and connects it; a plain non-blocking connect() unless told. */
export type SocketWay = 'non-blocking' | 'blocking' | 'fast-open-option' | 'fast-open-message' | 'mptcp' | 'passed' | 'io-uring';

/** One connection. */
export interface TcpFlow {
  readonly kind: 'tcp';
  readonly who: Identity;
  readonly to: string;
  /** The pod unless told. */
  readonly at?: Place;
  /** What the socket is bound to; port 0 leaves the port open. */
  readonly from?: string;
  readonly way?: SocketWay;
  /** Who calls connect(), where that is not who made the socket. */
  readonly caller?: Identity;
  /** Nobody serves the destination. */
  readonly closed?: boolean;
}

/** Datagrams of one socket, one after the other, each answered by whoever gets it. */
export interface UdpFlow {
  readonly kind: 'udp';
  readonly who: Identity;
  readonly to: readonly string[];
  readonly at?: Place;
  readonly from?: string;
  /** connect() first; the first destination only. */
  readonly connected?: boolean;
}

/** What happens, told apart by `kind`; each has a file in flows/. */
export type Flow =
  | TcpFlow
  | UdpFlow
  /** Two sockets one after the other on one source port, of two owners. */
  | { readonly kind: 'udp-port-reuse'; readonly first: Identity; readonly second: Identity; readonly from: string; readonly to: string }
  /** Connections from one source address and port, all open at once. */
  | { readonly kind: 'same-port'; readonly who: Identity; readonly at: Place; readonly from: string; readonly to: readonly string[] }
  /** More connections at once than there are ports in the pod's range, to several destinations. */
  | { readonly kind: 'few-ports'; readonly who: Identity; readonly to: readonly string[] }
  /** One side ends what it sends, the other goes on. */
  | { readonly kind: 'half-close'; readonly who: Identity; readonly at: Place; readonly to: string; readonly first: 'client' | 'server' }
  /** A reset, then the same source port again to another destination. */
  | {
      readonly kind: 'reset-reuse';
      readonly who: Identity;
      readonly at: Place;
      readonly from: string;
      readonly to: readonly [string, string];
    }
  /** SO_ORIGINAL_DST by every form, at both ends. */
  | { readonly kind: 'options'; readonly who: Identity; readonly at: Place; readonly to: string }
  /** SO_ORIGINAL_DST on a socket that is not TCP. */
  | { readonly kind: 'options-udp'; readonly to: string }
  /** A connection from before the pod was redirected; `under`: it was, but by a configuration that leaves this connection alone. */
  | { readonly kind: 'established-before'; readonly who: Identity; readonly to: string; readonly under: Partial<RedirectConfig> | null }
  /** A connection while the proxy is down, and another when it is up. */
  | { readonly kind: 'late-proxy'; readonly who: Identity; readonly to: string }
  /** Istio's own check of a pod, which brings its listeners along. */
  | { readonly kind: 'validation'; readonly from: string; readonly to: string }
  | { readonly kind: 'echo-request'; readonly who: Identity; readonly to: string }
  /** A packet of an IP protocol that no transport serves. */
  | { readonly kind: 'raw-protocol'; readonly protocol: number; readonly to: string }
  /** A SYN/ACK that belongs to nothing, sent by `outside`. */
  | { readonly kind: 'stray-segment'; readonly to: string }
  /** The proxy speaks to the application from the address of its client. */
  | { readonly kind: 'original-source'; readonly who: Identity; readonly from: string; readonly to: string };

/** What could be seen, or shall be, by name. Names and values are what the table prints. */
export type Fields = Readonly<Record<string, string>>;

/** One row of the contract. */
export interface Row {
  /** The contract's id; `/` and a word where one row of it is several here. */
  readonly id: string;
  readonly world: World;
  readonly flow: Flow;
  /** Only these fields count. */
  readonly expected: Fields;
}

/** What a back end does otherwise than the contract, on purpose. */
export interface Deviation {
  /** Ids of rows; `OUT-05/*` means OUT-05 and everything that begins with `OUT-05/`. */
  readonly rows: readonly string[];
  readonly modes: readonly Mode[];
  /** What is seen in place of the expected values. It must be just that. */
  readonly seen: Fields;
  readonly reason: string;
  /** What the user of the pod, or its proxy, notices. */
  readonly effect: string;
}

/** Where the contract was found to be wrong. */
export interface Correction {
  readonly rows: readonly string[];
  readonly contract: string;
  readonly seen: string;
}

export type Verdict = 'pass' | 'deviation' | 'fail' | 'skip';

/** A row as it was run. */
export interface RowResult {
  readonly id: string;
  readonly mode: Mode;
  readonly world: string;
  readonly flow: string;
  readonly expected: Fields;
  readonly seen: Fields;
  readonly verdict: Verdict;
}

export interface Summary {
  readonly rows: number;
  readonly pass: number;
  readonly deviation: number;
  readonly fail: number;
  readonly skip: number;
}
