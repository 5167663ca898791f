import { closeFd, connectSocket, decodeSockaddr, SysError, socketOption } from '../../kernel/index.ts';
import { endpoint, endpointText, socketFamily } from '../endpoint.ts';
import { application } from '../identity.ts';
import type { Stage } from '../stage.ts';
import { socketAt } from '../stage.ts';
import type { Fields, Flow } from '../types.ts';
import { attempt, exchange, withServers } from './encounter.ts';

const SO_ORIGINAL_DST = 80;
const levels = [
  ['SOL_IP', 0],
  ['SOL_IPV6', 41],
] as const;
/** Room in bytes: of nothing, of less than an address, of sockaddr_in, of one too small for sockaddr_in6, of sockaddr_in6 and of sockaddr_storage. */
const rooms = [0, 15, 16, 27, 28, 128] as const;

/** What getsockopt(2) answers, with the length that came back; or the errno. */
function ask(fd: number, level: number, room: number): string {
  try {
    const bytes = socketOption(fd, level, SO_ORIGINAL_DST, room);
    return `${endpointText(decodeSockaddr(bytes))}, ${bytes.length} bytes`;
  } catch (error) {
    if (error instanceof SysError) return error.errno;
    throw error;
  }
}

function askAll(fd: number, side: string): Fields {
  const answers = levels.flatMap(([name, level]) => rooms.map((room) => [`${side} ${name} ${room}`, ask(fd, level, room)] as const));
  return Object.fromEntries(answers);
}

/** SO_ORIGINAL_DST of one connection, by both levels and with every room, at the server and at the client. */
export function runOptions(stage: Stage, flow: Extract<Flow, { kind: 'options' }>): Fields {
  const { who, at, to } = flow;
  return withServers(stage, [to], (servers) => {
    const outcome = attempt(stage, { at, who, to }, servers);
    if (outcome.kind === 'not-met') return { reached: outcome.why };
    using encounter = outcome.encounter;
    return { reached: exchange(encounter), ...askAll(encounter.server, 'server'), ...askAll(encounter.client, 'client') };
  });
}

/** SO_ORIGINAL_DST of a connected UDP socket. */
export function runOptionsUdp(stage: Stage, flow: Extract<Flow, { kind: 'options-udp' }>): Fields {
  const fd = socketAt(stage, 'pod', application, { family: socketFamily(flow.to), type: 'udp' });
  try {
    connectSocket(fd, endpoint(flow.to));
    return askAll(fd, 'client');
  } finally {
    closeFd(fd);
  }
}
