import type { SocketOptions } from '../kernel/index.ts';
import { closeFd, inNetns, isSysError, openSocket } from '../kernel/index.ts';
import { bindSocket, listenSocket, setSocketNumber } from '../kernel/sockets.ts';
import type { RedirectConfig } from '../pods/types.ts';
import { endpoint, socketFamily } from './endpoint.ts';
import type { Identity } from './identity.ts';
import { application, asIdentity, proxy, root } from './identity.ts';
import type { Listener } from './listener.ts';
import type { Place as ProxyPlace } from './stand-in-proxy.ts';
import { StandInProxy } from './stand-in-proxy.ts';
import type { Place, PodNetwork } from './topology.ts';
import { isPodLocal, placeOf } from './topology.ts';
import type { Mode, World } from './types.ts';

/** Who redirects the pod, switched on and off. */
export interface Redirection {
  /** By the configuration of the world, or another one in its place; what is installed already is changed. */
  install(other?: Partial<RedirectConfig>): Promise<void>;
  remove(): Promise<void>;
  /** The pod's network namespace is about to go: removes what would stay. */
  end(): Promise<void>;
}

/** Everything that a flow finds when it begins. */
export interface Stage {
  readonly mode: Mode;
  readonly world: World;
  readonly network: PodNetwork;
  readonly redirection: Redirection;
  readonly proxy: StandInProxy;
}

/** Makes a socket somewhere under somebody's ids; in a pod with a user namespace these are ids in there. The caller closes it. @throws SysError */
export function socketAt(stage: Pick<Stage, 'network' | 'world'>, place: Place, who: Identity, options: SocketOptions): number {
  const ids = place === 'pod' ? outsideIds(who, stage.world) : who;
  return inNetns(stage.network[place].handle, () => asIdentity(ids, () => openSocket(options)));
}

/** The ids that a process of the pod has in the machine's own user namespace. */
export function outsideIds(who: Identity, { firstId }: World): Identity {
  return firstId === null ? who : { ...who, uid: who.uid + firstId, gid: who.gid + firstId };
}

/** Who the proxy of a world is: the first of its ids. */
export function proxyIn({ config }: World): Identity {
  return { uid: config.proxyUids?.[0] ?? proxy.uid, gid: config.proxyGids?.[0] ?? proxy.gid };
}

const SOL_IP = 0;
const IP_TRANSPARENT = 19;
const SOL_IPV6 = 41;
const IPV6_TRANSPARENT = 75;

/** The stand-in proxy of a world, not yet started. */
export function proxyOf(stage: Pick<Stage, 'network' | 'world'>): StandInProxy {
  const transparent = stage.world.config.interceptionMode === 'TPROXY';
  return new StandInProxy(stage.world.proxy, (place) => openProxySocket(stage, place, transparent));
}

function openProxySocket(stage: Pick<Stage, 'network' | 'world'>, place: ProxyPlace, transparent: boolean): number {
  const family = socketFamily(place.at);
  const only = family === 6 ? { v6only: !place.dual } : {};
  const options = { family, type: place.type, reuse: true, ...only } as const;
  const fd = socketAt(stage, 'pod', proxyIn(stage.world), options);
  try {
    // Under TPROXY the listener takes connections to addresses that are not its own; that needs a right which the proxy's init container has.
    if (transparent && family === 4) setSocketNumber(fd, SOL_IP, IP_TRANSPARENT, 1, 'IP_TRANSPARENT');
    if (transparent && family === 6) setSocketNumber(fd, SOL_IPV6, IPV6_TRANSPARENT, 1, 'IPV6_TRANSPARENT');
    return startListening(fd, place.at, place.type);
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}

/** Ports of the pod that only the stand-in proxy listens on. */
const proxyPorts = [15001, 15006];
/** The addresses that a control plane knows the pod by. */
const knownAddresses = ['10.9.0.2', 'fd00:9::2'];

/**
 * Opens whoever serves a destination when nobody redirects: the application, or a server of another host. Where the back end rewrites binds, the
 * proxy listens in the application's place too, as its control plane would tell it. The caller closes them.
 */
export function openServers(stage: Stage, to: string): readonly Listener[] {
  const { port } = endpoint(to);
  const place = placeOf(to);
  if (place === 'pod' && proxyPorts.includes(port)) return [];
  const [name, who] = place === 'pod' ? (['app', application] as const) : (['server', root] as const);
  const open = (owner: Identity, at: string): number => {
    const family = socketFamily(at);
    const options = {
      family,
      type: 'tcp',
      reuse: true,
      bind: endpoint(at),
      listen: 64,
      ...(family === 6 ? { v6only: true } : {}),
    } as const;
    return socketAt(stage, place, owner, options);
  };
  const servers: Listener[] = [
    { name, fd: open(who, `0.0.0.0:${port}`) },
    { name, fd: open(who, `[::]:${port}`) },
  ];
  if (stage.mode !== 'bind' || place !== 'pod' || !stage.proxy.up) return servers;
  for (const address of knownAddresses) {
    const fd = unlessInUse(() => open(proxyIn(stage.world), address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`));
    if (fd !== null) servers.push({ name: 'inbound', fd });
  }
  return servers;
}

/** null where the application has the port on every address: then nobody has moved it, and no proxy is meant to stand before it. */
function unlessInUse(open: () => number): number | null {
  try {
    return open();
  } catch (error) {
    if (isSysError(error, 'EADDRINUSE')) return null;
    throw error;
  }
}

/** Whoever answers datagrams to a destination when nobody redirects, at exactly that address. The caller closes it. */
export function openDatagramServer(stage: Stage, to: string): Listener {
  const place = placeOf(to);
  const [name, who] = isPodLocal(to) ? (['app', application] as const) : (['server', root] as const);
  const bind = endpoint(to.replace(/^\[::ffff:([\d.]+)\]/, '$1'));
  return { name, fd: socketAt(stage, place, who, { family: bind.address.length === 4 ? 4 : 6, type: 'udp', bind, reuse: true }) };
}

function startListening(fd: number, at: string, type: 'tcp' | 'udp'): number {
  bindSocket(fd, endpoint(at));
  if (type === 'tcp') listenSocket(fd, 128);
  return fd;
}
