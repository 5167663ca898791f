import { closeFd, localAddress, originalDestination, peerAddress } from '../../kernel/index.ts';
import type { Wanted } from '../dial.ts';
import { dial, greeting } from '../dial.ts';
import { endpoint, endpointText, endpointTextWith } from '../endpoint.ts';
import type { Listener } from '../listener.ts';
import { acceptAny, readText, sendText, serverView } from '../listener.ts';
import type { Stage } from '../stage.ts';
import { openServers } from '../stage.ts';
import type { Fields } from '../types.ts';

/** A connection with both of its ends in hand. The client's is closed first. */
export interface Encounter extends Disposable {
  /** The listener that got it. */
  readonly name: string;
  readonly client: number;
  readonly server: number;
}

/** What became of an attempt: both ends, or the word for why there are none. */
export type Attempt = { readonly kind: 'met'; readonly encounter: Encounter } | { readonly kind: 'not-met'; readonly why: string };

/** The word by which a row that this kernel cannot run is known. */
export const unsupported = 'unsupported';

/** Connects and waits for whichever listener gets the connection. */
export function attempt(stage: Stage, wanted: Wanted, servers: readonly Listener[]): Attempt {
  const dialled = dial(stage, wanted);
  if (dialled.kind === 'unsupported') return { kind: 'not-met', why: unsupported };
  if (dialled.kind === 'failed') return { kind: 'not-met', why: dialled.errno };
  const client = dialled.fd;
  const accepted = acceptAny([...stage.proxy.tcp, ...servers]);
  if (accepted === null) {
    closeFd(client);
    return { kind: 'not-met', why: 'accepted by nobody' };
  }
  const { name, fd: server } = accepted;
  const dispose = (): void => {
    closeFd(client);
    closeFd(server);
  };
  return { kind: 'met', encounter: { name, client, server, [Symbol.dispose]: dispose } };
}

/** Opens the servers of destinations, runs `work` and closes them. */
export function withServers<T>(stage: Stage, destinations: readonly string[], work: (servers: readonly Listener[]) => T): T {
  const servers: Listener[] = [];
  try {
    for (const to of destinations) servers.push(...openServers(stage, to));
    return work(servers);
  } finally {
    for (const { fd } of servers) closeFd(fd);
    stage.proxy.drain();
  }
}

/** Sends the greeting through and the listener's name back. The name, when both arrive; else what went wrong. */
export function exchange({ name, client, server }: Encounter): string {
  const heard = readText(server);
  if (heard !== greeting) return `${name}, but it read ${heard}`;
  const sent = sendText(server, name);
  if (sent !== 'sent') return `${name}, but its answer met ${sent}`;
  const answer = readText(client);
  return answer === name ? name : `${name}, but the client read ${answer}`;
}

/** Everything that both ends of a connection show. `fixedPort`: the client has chosen its port, so the number is worth showing. */
export function fieldsOf({ client, server }: Encounter, to: string, fixedPort: boolean): Fields {
  const own = localAddress(client);
  const clientVersion = endpoint(to).address.length === 4 || to.startsWith('[::ffff:') ? 4 : 6;
  return {
    ...serverView(server, own?.port ?? 0),
    clientPeer: endpointText(peerAddress(client)),
    clientLocal: fixedPort ? endpointText(own) : endpointTextWith(own, '*'),
    clientOriginal: endpointText(originalDestination(client, clientVersion)),
  };
}
