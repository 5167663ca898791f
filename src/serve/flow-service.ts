import { randomBytes } from 'node:crypto';
import type { Logger } from '../base/log.ts';
import { version } from '../base/project.ts';
import { defaultClusterName, lostSource } from '../flow/codes.ts';
import { FlowCounters } from '../flow/counters.ts';
import type { Directory, RuleDirectory } from '../flow/directory.ts';
import type { DnsExchange } from '../flow/dns-flow.ts';
import { flowsOfDns } from '../flow/dns-flow.ts';
import type { FlowContext } from '../flow/flow-of-event.ts';
import { flowsOfHttp, parseAccessLog } from '../flow/http-log.ts';
import { defaultFlowCapacity, FlowRing } from '../flow/ring.ts';
import type { Flow } from '../flow/types.ts';
import type { Clocks } from '../flow/wall-clock.ts';
import { timestampOf, WallClock } from '../flow/wall-clock.ts';
import { Health } from './hubble/gen/grpc/health/v1/health_pb.js';
import { Observer } from './hubble/gen/observer/observer_pb.js';
import { Peer } from './hubble/gen/peer/peer_pb.js';
import { healthService } from './hubble/health.ts';
import { RecentNamespaces } from './hubble/namespaces.ts';
import { observerService } from './hubble/observer.ts';
import type { PeerSource } from './hubble/peer.ts';
import { peerService } from './hubble/peer.ts';
import { MinuteRate } from './hubble/rate.ts';
import type { GrpcListen, GrpcServer, TlsFiles } from './hubble/server.ts';
import { serveGrpc } from './hubble/server.ts';
import type { EventSource } from './kernel-events.ts';

/** The machine's own clocks. */
export const machineClocks: Clocks = { monotonicNs: () => process.hrtime.bigint(), wallMs: () => Date.now() };

export interface FlowServiceOptions {
  /** The service owns it: `close` disposes of it. */
  readonly events: EventSource;
  readonly directory: Directory;
  readonly rules: RuleDirectory;
  readonly nodeName: string;
  readonly clusterName?: string;
  readonly clocks?: Clocks;
  /** Recent flows that are kept; 4095 unless told. */
  readonly capacity?: number;
  readonly listen: GrpcListen;
  readonly tls?: TlsFiles;
  /** The servers of all nodes; only this one unless told. */
  readonly peers?: PeerSource;
  readonly log: Logger;
}

/** What is known of events since the programs were loaded, whoever read them; emitted = delivered + lost + what still waits in the ring. */
export interface FlowTotals {
  readonly emitted: number;
  readonly delivered: number;
  readonly lost: number;
  readonly suppressed: number;
}

/** Recent flows, and the Hubble API over them. */
export interface FlowService extends AsyncDisposable {
  /** `127.0.0.1:4245`; null where it serves no TCP. */
  readonly tcpAddress: string | null;
  readonly ring: FlowRing;
  readonly counters: FlowCounters;
  readonly context: FlowContext;
  totals(): FlowTotals;
  /** Reads what the kernel has written up to now; happens by itself every 50 ms. */
  drain(): void;
  /** One line of a proxy's access log. Lines about anything but HTTP are passed over. */
  addAccessLog(line: string, podAddresses?: readonly string[]): void;
  addDns(exchange: DnsExchange): void;
  /** Calls back for each HTTP and DNS flow; the returned function ends that. */
  onMessage(callback: (flow: Flow) => void): () => void;
  close(): Promise<void>;
}

/** The kernel wakes us only when much waits; a flow that nobody hurries is seen within this time. */
const pollMs = 50;
/** Records in one turn of the event loop: under ten milliseconds. */
const recordsPerTurn = 4000;
const housekeepingMs = 1000;

/** Opens the service. Throws UserError FLOW_LISTEN or FILE_UNREADABLE; then `events` is disposed of too. */
export async function openFlowService(options: FlowServiceOptions): Promise<FlowService> {
  const { events, directory, log } = options;
  const clocks = options.clocks ?? machineClocks;
  const clock = new WallClock(clocks);
  const context: FlowContext = {
    directory,
    rules: options.rules,
    nodeName: options.nodeName,
    clusterName: options.clusterName ?? defaultClusterName,
    emitter: { name: 'Millrace', version },
  };
  const ring = new FlowRing({ capacity: options.capacity ?? defaultFlowCapacity, clock, context, random: randomBytes(10) });
  const counters = new FlowCounters();
  const namespaces = new RecentNamespaces();
  const rate = new MinuteRate(clocks.wallMs());
  const messages = new Set<(flow: Flow) => void>();
  let delivered = events.earlier;
  let more: NodeJS.Immediate | null = null;

  const drain = (): void => {
    const nowMs = clocks.wallMs();
    const count = events.consume((view, offset) => {
      counters.count(view, offset);
      namespaces.see(view, offset, nowMs);
      ring.appendRecord(view, offset);
    }, recordsPerTurn);
    if (count === 0) return;
    delivered += count;
    rate.add(count, nowMs);
    ring.wake();
    if (count === recordsPerTurn) more ??= setImmediate(again);
  };
  const again = (): void => {
    more = null;
    drain();
  };

  let toldLost = events.counters().lost;
  let lossesSinceNs = clock.nowNs();
  const housekeeping = (): void => {
    clock.sync();
    namespaces.forget(clocks.wallMs());
    const { lost } = events.counters();
    const now = clock.nowNs();
    if (lost > toldLost) {
      const first = timestampOf(lossesSinceNs);
      ring.appendLost({ source: lostSource.kernelRing, numEventsLost: BigInt(lost - toldLost), first, last: timestampOf(now) });
      ring.wake();
      log.warn({ count: lost - toldLost }, 'the ring of flows was full and events were lost');
      toldLost = lost;
    }
    lossesSinceNs = now;
  };

  const add = (flows: readonly Flow[]): void => {
    for (const flow of flows) {
      ring.appendFlow(flow);
      for (const callback of messages) callback(flow);
      for (const end of [flow.source, flow.destination]) if (end !== undefined) namespaces.seeIdentity(end.identity, clocks.wallMs());
    }
    rate.add(flows.length, clocks.wallMs());
    ring.wake();
  };

  let tcpAddress: string | null = null;
  const peers = options.peers ?? ownPeer(options, () => tcpAddress);
  let stopWatching: (() => void) | null = null;
  let server: GrpcServer | null = null;
  try {
    server = await serveGrpc({
      listen: options.listen,
      ...(options.tls === undefined ? {} : { tls: options.tls }),
      log,
      routes: (router) => {
        router.service(Health, healthService);
        router.service(Peer, peerService(peers));
        router.service(
          Observer,
          observerService({
            ring,
            clock,
            rate,
            namespaces,
            directory,
            nodeName: options.nodeName,
            clusterName: context.clusterName,
            version: `millrace v${version}`,
            startNs: clock.nowNs(),
            address: () => tcpAddress ?? '',
            tls: options.tls !== undefined,
          }),
        );
      },
    });
    tcpAddress = server.tcpAddress;
    stopWatching = events.onReadable(drain);
  } catch (error) {
    await server?.close();
    events[Symbol.dispose]();
    throw error;
  }
  const serving = server;
  const timers = [setInterval(drain, pollMs), setInterval(housekeeping, housekeepingMs)];
  let open = true;
  const close = async (): Promise<void> => {
    if (!open) return;
    open = false;
    for (const timer of timers) clearInterval(timer);
    if (more !== null) clearImmediate(more);
    stopWatching?.();
    await serving.close();
    events[Symbol.dispose]();
  };
  return {
    tcpAddress,
    ring,
    counters,
    context,
    totals: () => ({ ...events.counters(), delivered }),
    drain,
    addAccessLog: (line, podAddresses) => {
      const exchange = parseAccessLog(line, podAddresses);
      if (exchange === null) return;
      // a proxy is its pod's: what it says will happen would stay the newest for ever
      const last = clock.nowNs() - BigInt(exchange.durationMs) * 1_000_000n;
      add(flowsOfHttp(exchange.startNs > last ? { ...exchange, startNs: last < 0n ? 0n : last } : exchange, context));
    },
    addDns: (exchange) => add(flowsOfDns(exchange, context)),
    onMessage: (callback) => {
      messages.add(callback);
      return () => messages.delete(callback);
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** A cluster of this one node. */
function ownPeer({ nodeName, listen, tls }: FlowServiceOptions, tcpAddress: () => string | null): PeerSource {
  return {
    current: () => [
      {
        name: nodeName,
        address: tcpAddress() ?? `unix://${listen.unixSocket ?? ''}`,
        tlsServerName: tls === undefined ? null : nodeName,
      },
    ],
    subscribe: () => () => {},
  };
}
