/**
 * How the applications of a case find each other:
 * - `direct`: by no proxy, in pods whose owners say that their applications may be accelerated
 * - `direct-unannotated`: by no proxy, in pods whose owners say nothing: no socket of theirs may be accelerated
 * - `proxied`: through the proxies of both pods, whose sockets alone are accelerated
 * - `proxied-all`: the same with the applications' sockets
 */
export const routes = ['direct', 'direct-unannotated', 'proxied', 'proxied-all'] as const;
export type Route = (typeof routes)[number];

/** `must`: it is a failure when nothing went by sockmap. `never`: it is one when something did. */
export type Expectation = 'must' | 'may' | 'never';

export type AddressFamily = 4 | 6;

/** The two ends of a run: network namespaces by path, and the server's address. */
export interface Place {
  readonly client: string;
  readonly server: string;
  readonly address: string;
  /** Everything random follows from it. */
  readonly seed: number;
  /** Seconds that a run may take. */
  readonly patience: number;
  readonly signal: AbortSignal;
}

/** What a run has seen. Two runs with one seed must have seen the same. */
export interface Transcript {
  readonly lines: readonly string[];
  /** The run itself says that it failed: a wrong byte, a call that did not end. */
  readonly failed: boolean;
  /** Figures that may differ. */
  readonly measures: Readonly<Record<string, number>>;
}

/** Something that applications do with a connection. */
export interface TortureCase {
  readonly name: string;
  readonly summary: string;
  /** Whether it goes by sockmap where the applications' sockets are paired, and where the proxies' are. */
  readonly direct: Expectation;
  readonly proxied: Expectation;
  /** It starts whole programs: one family in a round is enough. */
  readonly heavy: boolean;
  /** Why it cannot run on this machine, or null. */
  readonly missing: string | null;
  run(place: Place): Promise<Transcript>;
}

/** A case by one route and one family with one seed, on plain TCP, accelerated, or both. */
export interface Trial {
  readonly name: string;
  readonly route: Route;
  readonly family: AddressFamily;
  readonly seed: number;
  readonly expectation: Expectation;
  /** Bytes by sockmap while the accelerated run was the only one; null where others ran beside it. */
  readonly bytes: number | null;
  /** What differs, for the reader; empty when all is well. */
  readonly differences: readonly string[];
}
