import type { ServiceImpl } from '@connectrpc/connect';
import { Code, ConnectError } from '@connectrpc/connect';
import { MillraceError } from '../../base/errors.ts';
import type { Directory } from '../../flow/directory.ts';
import type { FlowRing } from '../../flow/ring.ts';
import type { WallClock } from '../../flow/wall-clock.ts';
import { flowAnswer, lostAnswer, messageOfFlow } from './convert.ts';
import { compileFieldMask } from './field-mask.ts';
import type { Observer } from './gen/observer/observer_pb.js';
import { NodeState } from './gen/relay/relay_pb.js';
import type { RecentNamespaces } from './namespaces.ts';
import { queryFlows } from './query.ts';
import type { MinuteRate } from './rate.ts';

/** What the service observer.Observer answers from. */
export interface ObserverSource {
  readonly ring: FlowRing;
  readonly clock: WallClock;
  readonly rate: MinuteRate;
  readonly namespaces: RecentNamespaces;
  readonly directory: Directory;
  readonly nodeName: string;
  readonly clusterName: string;
  /** As `hubble status -o dict` shows it. */
  readonly version: string;
  readonly startNs: bigint;
  /** Where this node's server can be reached; empty where it has only a socket of the file system. */
  readonly address: () => string;
  readonly tls: boolean;
}

/** Streams at once; each of them costs the agent time for every flow. */
const mostStreams = 64;

/** observer.Observer of Hubble's API over the flows of this node. */
export function observerService(source: ObserverSource): ServiceImpl<typeof Observer> {
  const { ring, clock } = source;
  let streams = 0;
  const counts = () => ({
    numFlows: BigInt(ring.end - ring.start),
    maxFlows: BigInt(ring.capacity),
    seenFlows: BigInt(ring.flows),
    uptimeNs: clock.nowNs() - source.startNs,
  });
  return {
    async *getFlows(request, { signal }) {
      if (request.first && request.follow) {
        throw new ConnectError('Cannot answer because first and follow exclude each other: current value both', Code.InvalidArgument);
      }
      if (streams >= mostStreams) {
        throw new ConnectError(`Cannot answer because too many streams are open: current value ${streams}`, Code.ResourceExhausted);
      }
      streams += 1;
      try {
        const mask = compileFieldMask(request.fieldMask?.paths ?? []);
        for await (const result of queryFlows(ring, request, { signal, nowNs: () => clock.nowNs() })) {
          if (result.kind === 'lost') {
            yield lostAnswer(result.lost, source.nodeName, result.time);
          } else {
            const flow = messageOfFlow(result.flow);
            yield flowAnswer(mask === null ? flow : mask(flow), result.flow);
          }
        }
      } catch (error) {
        throw refusal(error);
      } finally {
        streams -= 1;
      }
    },
    // There are no events of an agent or of debugging: an empty stream says so, an error would look like a fault.
    async *getAgentEvents() {},
    async *getDebugEvents() {},
    async getNodes() {
      return {
        nodes: [
          {
            name: source.nodeName,
            version: source.version,
            address: source.address(),
            state: NodeState.NODE_CONNECTED,
            tls: { enabled: source.tls, serverName: '' },
            ...counts(),
          },
        ],
      };
    },
    async getNamespaces() {
      return {
        namespaces: source.namespaces.names(source.directory).map((namespace) => ({ namespace, cluster: source.clusterName })),
      };
    },
    async serverStatus() {
      return {
        ...counts(),
        numConnectedNodes: 1,
        numUnavailableNodes: 0,
        version: source.version,
        flowsRate: source.rate.perSecond(Number(clock.nowNs() / 1_000_000n)),
      };
    },
  };
}

/** A filter that makes no sense is the client's mistake. */
function refusal(error: unknown): unknown {
  return error instanceof MillraceError ? new ConnectError(error.message, Code.InvalidArgument, undefined, undefined, error) : error;
}
