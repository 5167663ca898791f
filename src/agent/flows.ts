import { Counter } from '../abi/gen/index.ts';
import type { MapStatus, ProgramStatus } from '../api/types.ts';
import { Cleanup } from '../base/cleanup.ts';
import type { Logger } from '../base/log.ts';
import { lostSource } from '../flow/codes.ts';
import type { DnsExchange } from '../flow/dns-flow.ts';
import { timestampOf } from '../flow/wall-clock.ts';
import type { FdPoller } from '../kernel/index.ts';
import { parseIp } from '../pods/address.ts';
import { ipcacheKey } from '../policy-tables/rows.ts';
import type { DataPlane } from '../redirect/ebpf/data-plane.ts';
import { changeSettings } from '../redirect/ebpf/settings.ts';
import type { FlowService } from '../serve/flow-service.ts';
import { openFlowService } from '../serve/flow-service.ts';
import { kernelEvents } from '../serve/kernel-events.ts';
import type { Metrics } from '../serve/metrics/metrics.ts';
import { createMetrics } from '../serve/metrics/metrics.ts';
import { serveMetrics } from '../serve/metrics/server.ts';
import type { AccessLog } from './access-logs.ts';
import { AccessLogs } from './access-logs.ts';
import type { FlowOptions } from './flow-options.ts';
import { aggregations } from './flow-options.ts';
import type { KnownIdentities } from './identities.ts';
import { Identities } from './identities.ts';

/** What flows need from the other parts of the agent; all of it is asked again and again. */
export interface FlowSurroundings {
  readonly plane: DataPlane;
  readonly poller: FdPoller;
  /** Who is who; null while nobody has said. */
  readonly known: () => KnownIdentities | null;
  /** The name of an interface of the node; empty where it is gone. */
  readonly interfaceName: (index: number) => string;
  readonly accessLogs: () => readonly AccessLog[];
  /** Of every pod that is enrolled. */
  readonly status: () => Promise<{
    readonly pods: number;
    readonly drift: number;
    readonly programs: readonly ProgramStatus[];
    readonly maps: readonly MapStatus[];
  }>;
  readonly log: Logger;
}

/** Flows and metrics of a running agent. */
export interface AgentFlows extends AsyncDisposable {
  readonly service: FlowService;
  readonly metrics: Metrics;
  /** `127.0.0.1:9965`; null where metrics have no TCP. */
  readonly metricsAddress: string | null;
  /** What a name server answered; `skipped` more were too many to be told. */
  addDns(exchanges: readonly DnsExchange[], skipped: number): void;
}

/** How often the agent looks who is who: pods that live shorter than this have no name in their flows. */
const lookMs = 200;
/** MR_IDENTITY_WORLD */
const world = 2;

/** Begins to read events, follow the proxies' logs and serve both. Throws UserError FLOW_LISTEN, FILE_UNREADABLE; then nothing listens. */
export async function openAgentFlows(options: FlowOptions, around: FlowSurroundings): Promise<AgentFlows> {
  const { plane, log } = around;
  const cleanup = new Cleanup();
  const identities = new Identities({ identityAt: (address) => identityAt(plane, address), interfaceName: around.interfaceName });
  const look = (): void => {
    const known = around.known();
    if (known !== null) identities.update(known, performance.now());
  };
  changeSettings(plane.maps, {
    aggregation: aggregations[options.aggregation],
    flowLimit: options.flowLimit,
    connections: options.connections ? 1 : 0,
  });
  try {
    const service = cleanup.use(
      await openFlowService({
        events: kernelEvents(around.poller, plane.maps.flows, () => eventCounters(plane)),
        directory: identities,
        rules: identities,
        nodeName: options.nodeName,
        listen: { unixSocket: options.hubbleSocket, ...(options.hubbleListen === null ? {} : { tcp: options.hubbleListen }) },
        ...(options.tls === null ? {} : { tls: options.tls }),
        log,
      }),
    );
    const metrics = createMetrics({
      counters: service.counters,
      rules: identities,
      lost: () => service.totals().lost,
      snapshot: async () => {
        const { pods, drift, programs, maps } = await around.status();
        const counters = plane.counters();
        return {
          programs: programs.filter(({ id }) => id !== 0),
          maps,
          counters,
          events: service.totals(),
          pods,
          driftRepaired: drift,
          acceleration: Object.fromEntries(Object.entries(counters).filter(([name]) => name.startsWith('accelerate'))),
          rssBytes: process.memoryUsage.rss(),
        };
      },
    });
    cleanup.defer(async () => void stopMessages());
    const stopMessages = service.onMessage((flow) => metrics.seeMessage(flow));
    // each would have made the flow of the request and that of the answer
    const skipMessages = (count: number): void => {
      const now = timestampOf(BigInt(Date.now()) * 1_000_000n);
      service.ring.appendLost({ source: lostSource.queue, numEventsLost: BigInt(2 * count), first: now, last: now });
      service.ring.wake();
    };
    cleanup.use(
      new AccessLogs({
        logs: around.accessLogs,
        onLine: (line, addresses) => service.addAccessLog(line, addresses),
        onSkipped: skipMessages,
        log,
      }),
    );
    const addDns = (exchanges: readonly DnsExchange[], skipped: number): void => {
      for (const exchange of exchanges) service.addDns(exchange);
      if (skipped > 0) skipMessages(skipped);
    };
    const timer = setInterval(look, lookMs);
    cleanup.defer(async () => clearInterval(timer));
    look();
    let metricsAddress: string | null = null;
    if (options.metricsListen !== null) {
      const server = await serveMetrics({ metrics, ...options.metricsListen, log });
      cleanup.defer(() => server.close());
      metricsAddress = server.address;
    }
    log.info({ path: options.hubbleSocket, ...(service.tcpAddress === null ? {} : { address: service.tcpAddress }) }, 'flows are served');
    return { service, metrics, metricsAddress, addDns, [Symbol.asyncDispose]: () => cleanup[Symbol.asyncDispose]() };
  } catch (error) {
    await cleanup[Symbol.asyncDispose]();
    throw error;
  }
}

function identityAt({ maps }: DataPlane, address: string): number {
  const family = parseIp(address)?.family;
  if (family === undefined) return world;
  return maps.ipcache.get(ipcacheKey({ prefix: `${address}/${family === 4 ? 32 : 128}` }))?.identity ?? world;
}

function eventCounters(plane: DataPlane) {
  const sum = (counter: Counter): number =>
    Number((plane.maps.counters.getPerCpu(counter) ?? []).reduce((total, value) => total + value, 0n));
  return { emitted: sum(Counter.FLOW_EMITTED), lost: sum(Counter.FLOW_LOST), suppressed: sum(Counter.FLOW_SUPPRESSED) };
}
