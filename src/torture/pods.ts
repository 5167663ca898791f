import { chmodSync } from 'node:fs';
import { Cleanup } from '../base/cleanup.ts';
import { MillraceError } from '../base/errors.ts';
import type { ScratchNetns } from '../conformance/network.ts';
import { createNetns, ipBatch, joinByLink } from '../conformance/network.ts';
import { redirectConfigFromAnnotations } from '../pods/annotations.ts';
import type { DataPlane } from '../redirect/ebpf/data-plane.ts';
import { viewNetns } from '../redirect/ebpf/netns-view.ts';
import { ensureSpreadRoute } from '../redirect/ebpf/spread-route.ts';
import { compileTables } from '../redirect/ebpf/tables.ts';
import { torturePath } from './native.ts';
import type { Server } from './process.ts';
import { startServer } from './process.ts';
import type { AddressFamily, Route } from './types.ts';
import { routes } from './types.ts';

/** Two pods of one node, joined by a link. */
export interface PodPair {
  /** Their namespaces by path. */
  readonly client: string;
  readonly server: string;
  /** The server's. */
  readonly addresses: Readonly<Record<AddressFamily, string>>;
  /** The process ids of their proxies. */
  readonly proxies: readonly number[];
}

/** A pair of pods for every route. */
export interface TorturePods extends AsyncDisposable {
  readonly pairs: Readonly<Record<Route, PodPair>>;
}

const proxyUid = 1337;
const accelerate = { 'millrace.io/accelerate': 'true' };
const direct = { 'millrace.io/direct': 'true' };
/** Nothing is captured either way; what is not captured goes straight from application to application. */
const uncaptured = {
  'traffic.sidecar.istio.io/excludeOutboundIPRanges': '0.0.0.0/0,::/0',
  'traffic.sidecar.istio.io/includeInboundPorts': '',
};

const annotations: Readonly<Record<Route, Readonly<Record<string, string>>>> = {
  direct: { ...uncaptured, ...direct, ...accelerate },
  'direct-unannotated': { ...uncaptured, ...direct },
  proxied: {},
  'proxied-all': accelerate,
};

/** Makes the pods, enrols them and starts their proxies. The caller disposes of it. @throws MillraceError SYS; SysError */
export async function createTorturePods(plane: DataPlane, signal: AbortSignal): Promise<TorturePods> {
  const cleanup = new Cleanup();
  // the proxies run it under their own uid
  chmodSync(torturePath(), 0o755);
  try {
    const made = new Map<Route, PodPair>();
    for (const [index, route] of routes.entries()) made.set(route, await createPair(plane, route, index, cleanup, signal));
    const pair = (route: Route): PodPair => {
      const found = made.get(route);
      if (found === undefined) throw new MillraceError('SYS', `Cannot torture by ${route} because its pods were not made`);
      return found;
    };
    return {
      pairs: {
        direct: pair('direct'),
        'direct-unannotated': pair('direct-unannotated'),
        proxied: pair('proxied'),
        'proxied-all': pair('proxied-all'),
      },
      [Symbol.asyncDispose]: () => cleanup[Symbol.asyncDispose](),
    };
  } catch (error) {
    await cleanup[Symbol.asyncDispose]();
    throw error;
  }
}

async function createPair(plane: DataPlane, route: Route, index: number, cleanup: Cleanup, signal: AbortSignal): Promise<PodPair> {
  const client = cleanup.use(await createNetns());
  const server = cleanup.use(await createNetns());
  for (const pod of [client, server]) {
    pod.sysctl('ipv6/conf/default/accept_dad', '0');
    // fast open both ways, with data in the SYN also without a cookie (ip-sysctl.rst: 0x1 0x2 0x4 0x200)
    pod.sysctl('ipv4/tcp_fastopen', String(0x207));
  }
  joinByLink(
    { netns: client, name: 'eth0', addresses: [`10.66.${index}.1/24`, `fd66:${index}::1/64`] },
    { netns: server, name: 'eth0', addresses: [`10.66.${index}.2/24`, `fd66:${index}::2/64`] },
  );
  const proxies: Server[] = [];
  for (const pod of [client, server]) {
    // the address that the proxy speaks from to its own pod
    pod.ip(ipBatch('addr add ::6/128 dev lo'));
    await enrol(plane, pod, route);
    cleanup.defer(() => plane.release(pod.handle.cookie));
    if (route.startsWith('proxied')) proxies.push(cleanup.use(await startProxy(pod, signal)));
  }
  return {
    client: client.path,
    server: server.path,
    addresses: { 4: `10.66.${index}.2`, 6: `fd66:${index}::2` },
    proxies: proxies.map(({ pid }) => pid),
  };
}

async function enrol(plane: DataPlane, pod: ScratchNetns, route: Route): Promise<void> {
  const problem = await ensureSpreadRoute(pod.path);
  if (problem !== null) throw new MillraceError('SYS', `Cannot prepare a pod for IPv6 because of its routes: ${problem}`);
  const name = `torture/${route}`;
  const facts = {
    ...viewNetns(pod.handle),
    name,
    cookie: pod.handle.cookie,
    backend: 'sk_lookup',
    meshed: true,
    uidMap: null,
    spread6: true,
  } as const;
  await plane.enrol(pod.handle, compileTables(facts, redirectConfigFromAnnotations(name, annotations[route])));
}

function startProxy(pod: ScratchNetns, signal: AbortSignal): Promise<Server> {
  const ids = ['setpriv', `--reuid=${proxyUid}`, `--regid=${proxyUid}`, '--clear-groups', '--'];
  return startServer([...ids, torturePath(), 'relay', '15001', '15006'], { netns: pod.path, signal, patience: 10 });
}
