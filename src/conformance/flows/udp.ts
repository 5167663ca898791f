import { closeFd, connectSocket, localAddress, peerAddress, pollEvents, SysError } from '../../kernel/index.ts';
import { receiveBytes, sendBytes, waitForSockets } from '../../kernel/socket-io.ts';
import { endpoint, endpointText, endpointTextWith, socketFamily } from '../endpoint.ts';
import type { Identity } from '../identity.ts';
import { asIdentity } from '../identity.ts';
import type { Listener } from '../listener.ts';
import { comparedText, patience } from '../listener.ts';
import type { Stage } from '../stage.ts';
import { openDatagramServer, outsideIds, socketAt } from '../stage.ts';
import type { Fields, Flow, UdpFlow } from '../types.ts';

/** What one datagram met. */
interface Answer {
  /** Who answered, or the errno, or `timeout`. */
  readonly reached: string;
  /** Whose answer the client believes it has. */
  readonly source: string;
  /** Whom the server answered. */
  readonly peer: string;
}

/** Datagrams of one socket, each to its own destination; fields are lists when there are several. */
export function runUdp(stage: Stage, flow: UdpFlow): Fields {
  const { who, to, at = 'pod', from, connected } = flow;
  const [first = ''] = to;
  const fd = socketAt(stage, at, who, {
    family: socketFamily(first),
    type: 'udp',
    ...(from === undefined ? {} : { bind: endpoint(from) }),
  });
  try {
    if (connected === true) asIdentity(outsideIds(who, stage.world), () => connectSocket(fd, endpoint(first)));
    const answers = to.map((destination) => ask(stage, fd, who, destination, connected === true));
    const list = (key: keyof Answer): string => answers.map((answer) => answer[key]).join(', ');
    return {
      reached: list('reached'),
      source: list('source'),
      peer: list('peer'),
      ...(connected === true ? { clientPeer: endpointText(peerAddress(fd)), clientLocal: endpointTextWith(localAddress(fd), '*') } : {}),
    };
  } finally {
    closeFd(fd);
  }
}

/** The same source port twice, with another owner the second time. */
export function runUdpPortReuse(stage: Stage, flow: Extract<Flow, { kind: 'udp-port-reuse' }>): Fields {
  const ask = (who: Identity): string => runUdp(stage, { kind: 'udp', who, to: [flow.to], from: flow.from }).reached ?? '';
  return { first: ask(flow.first), second: ask(flow.second), 'first again': ask(flow.first) };
}

function ask(stage: Stage, fd: number, who: Identity, to: string, connected: boolean): Answer {
  const server = openDatagramServer(stage, to);
  try {
    const ids = outsideIds(who, stage.world);
    asIdentity(ids, () => sendBytes(fd, Buffer.from('query'), connected ? {} : { to: endpoint(to) }));
    const peer = reply([...stage.proxy.udp, server], localAddress(fd)?.port ?? 0);
    waitForSockets([fd], pollEvents.readable, patience);
    const answer = receiveBytes(fd);
    if (answer === null) return { reached: 'timeout', source: 'none', peer };
    return { reached: answer.data.toString('latin1'), source: endpointText(answer.from), peer };
  } catch (error) {
    if (error instanceof SysError) return { reached: error.errno, source: 'none', peer: 'none' };
    throw error;
  } finally {
    closeFd(server.fd);
  }
}

/** Lets whoever got a datagram answer with its name; returns whom it answered. */
function reply(servers: readonly Listener[], clientPort: number): string {
  const fds = servers.map(({ fd }) => fd);
  for (const ready of waitForSockets(fds, pollEvents.readable, patience)) {
    const query = receiveBytes(ready);
    const name = servers.find(({ fd }) => fd === ready)?.name;
    if (query?.from == null || name === undefined) continue;
    sendBytes(ready, Buffer.from(name), { to: query.from });
    return comparedText(query.from, clientPort);
  }
  return 'none';
}
