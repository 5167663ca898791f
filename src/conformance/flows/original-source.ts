import { closeFd, connectSocket, localAddress, peerAddress, pollEvents, SysError, socketError } from '../../kernel/index.ts';
import { waitForSockets } from '../../kernel/socket-io.ts';
import { bindSocket, setSocketNumber } from '../../kernel/sockets.ts';
import { errnoName } from '../../kernel/sys-error.ts';
import { endpoint, endpointText } from '../endpoint.ts';
import { root } from '../identity.ts';
import type { Listener } from '../listener.ts';
import { acceptAny, patience, readText, sendText } from '../listener.ts';
import type { Stage } from '../stage.ts';
import { socketAt } from '../stage.ts';
import type { Fields, Flow } from '../types.ts';
import { attempt, withServers } from './encounter.ts';

const SOL_IP = 0;
const IP_TRANSPARENT = 19;
const SOL_SOCKET = 1;
const SO_MARK = 36;
/** The mark of Envoy's original_src filter. */
const originalSourceMark = 1337;

/**
 * A client reaches the proxy, and the proxy goes on to the application with the client's own address and port as its source (TPROXY mode): the
 * application sees who it really talks to, and its answers come back to the proxy.
 */
export function runOriginalSource(stage: Stage, flow: Extract<Flow, { kind: 'original-source' }>): Fields {
  const { who, from, to } = flow;
  return withServers(stage, [to], (servers) => {
    const outcome = attempt(stage, { at: 'outside', who: root, from, to, reuse: true }, servers);
    if (outcome.kind === 'not-met') return { reached: outcome.why };
    using downstream = outcome.encounter;
    const client = peerAddress(downstream.server);
    const upstream = socketAt(stage, 'pod', who, { family: 4, type: 'tcp', reuse: true });
    try {
      setSocketNumber(upstream, SOL_IP, IP_TRANSPARENT, 1, 'IP_TRANSPARENT');
      setSocketNumber(upstream, SOL_SOCKET, SO_MARK, originalSourceMark, 'SO_MARK');
      if (client !== null) bindSocket(upstream, client);
      connectSocket(upstream, endpoint(to));
      return { reached: downstream.name, ...onwards(stage, upstream, servers) };
    } catch (error) {
      if (error instanceof SysError) return { reached: downstream.name, onwards: error.errno };
      throw error;
    } finally {
      closeFd(upstream);
    }
  });
}

function onwards(stage: Stage, upstream: number, servers: readonly Listener[]): Fields {
  if (waitForSockets([upstream], pollEvents.writable, patience).length === 0) return { onwards: 'timeout' };
  const errno = socketError(upstream);
  if (errno !== 0) return { onwards: errnoName(errno) };
  const accepted = acceptAny([...stage.proxy.tcp, ...servers]);
  if (accepted === null) return { onwards: 'accepted by nobody' };
  try {
    sendText(accepted.fd, accepted.name);
    const peer = endpointText(peerAddress(accepted.fd));
    return { onwards: readText(upstream), peer, local: endpointText(localAddress(accepted.fd)) };
  } finally {
    closeFd(accepted.fd);
  }
}
