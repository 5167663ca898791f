import { Aggregation } from '../abi/gen/index.ts';
import type { TlsFiles } from '../serve/hubble/server.ts';

/** How much the programs tell: enum mr_aggregation by name. */
export const aggregations = { none: Aggregation.NONE, low: Aggregation.LOW, medium: Aggregation.MEDIUM } as const;

/** An address to listen on. Port 0: any free one. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** How flows are told and served. */
export interface FlowOptions {
  /** Where the Hubble API listens always, mode 0600. */
  readonly hubbleSocket: string;
  /** And by TCP, which anybody who reaches it may ask. */
  readonly hubbleListen: ListenAddress | null;
  /** For TCP. */
  readonly tls: TlsFiles | null;
  /** Where Prometheus may read. */
  readonly metricsListen: ListenAddress | null;
  readonly nodeName: string;
  readonly aggregation: keyof typeof aggregations;
  /** Events of one pod on one CPU within a second; 0: all. */
  readonly flowLimit: number;
  /** Whether connections are told when they open and when they close; costs some microseconds each. */
  readonly connections: boolean;
}

/**
 * What one pod may say on one CPU within a second, unless told: far above what a busy pod says at the medium level, and so little that a flood of
 * SYNs at one pod leaves room in the ring, and time, for all others.
 */
export const defaultFlowLimit = 10_000;
