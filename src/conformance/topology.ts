import { plainAddress } from './endpoint.ts';
import type { NetnsOptions, ScratchNetns } from './network.ts';
import { createNetns, ipBatch, joinByLink } from './network.ts';

/** The addresses of the pod, primary first. */
const podAddresses = ['10.9.0.2', '10.9.0.22', '10.8.0.2', 'fd00:9::2', 'fd00:8::2'] as const;
/** Addresses behind the pod's first link, beside the link's own: servers of other hosts and of DNS. */
const farAddresses = ['10.96.5.5', '10.96.5.6', '10.96.5.7', '10.96.0.10', '10.96.0.11', '198.51.100.5'] as const;
const farAddresses6 = ['2001:db8::5', '2001:db8::6', '2001:db8::7', '2001:db8::53', 'fd00:96::10', 'fd00:96::11'] as const;

/**
 * A pod and what is around it. `outside` is behind eth0 (10.9.0.1, fd00:9::1) and holds every far address; `side` is behind net1 (10.8.0.1,
 * fd00:8::1) and has the pod for its way out, as a virtual machine in the pod would.
 */
export interface PodNetwork extends Disposable {
  readonly pod: ScratchNetns;
  readonly outside: ScratchNetns;
  readonly side: ScratchNetns;
}

/** Who of the network a socket is made in. */
export type Place = 'pod' | 'outside' | 'side';

export async function createPodNetwork(options: NetnsOptions = {}): Promise<PodNetwork> {
  const made: ScratchNetns[] = [];
  const make = async (wanted: NetnsOptions = {}) => {
    const netns = await createNetns(wanted);
    made.push(netns);
    return netns;
  };
  const dispose = (): void => {
    for (const netns of made) netns[Symbol.dispose]();
  };
  try {
    const [pod, outside, side] = [await make(options), await make(), await make()];
    connect({ pod, outside, side });
    return { pod, outside, side, [Symbol.dispose]: dispose };
  } catch (error) {
    dispose();
    throw error;
  }
}

type Places = Readonly<Record<Place, ScratchNetns>>;

function connect({ pod, outside, side }: Places): void {
  // Before the links: new interfaces take the defaults. All off, so that nothing depends on how the machine is set.
  for (const netns of [pod, outside, side]) {
    for (const scope of ['all', 'default', 'lo']) netns.sysctl(`ipv4/conf/${scope}/rp_filter`, '0');
    // Link-local addresses too must be usable at once: a router asks for its neighbours from them.
    netns.sysctl('ipv6/conf/default/accept_dad', '0');
  }
  joinByLink(
    { netns: outside, name: 'eth0', addresses: ['10.9.0.1/24', 'fd00:9::1/64'] },
    { netns: pod, name: 'eth0', addresses: ['10.9.0.2/24', '10.9.0.22/24', 'fd00:9::2/64'] },
  );
  joinByLink(
    { netns: side, name: 'eth0', addresses: ['10.8.0.1/24', 'fd00:8::1/64'] },
    { netns: pod, name: 'net1', addresses: ['10.8.0.2/24', 'fd00:8::2/64'] },
  );
  outside.ip(
    ipBatch(
      ...farAddresses.map((address) => `addr add ${address}/32 dev lo`),
      ...farAddresses6.map((address) => `addr add ${address}/128 dev lo nodad`),
    ),
  );
  pod.ip(ipBatch('addr add ::6/128 dev lo', 'route add default via 10.9.0.1', 'route add default via fd00:9::1'));
  outside.ip(ipBatch('route add 10.8.0.0/24 via 10.9.0.2', 'route add fd00:8::/64 via fd00:9::2'));
  side.ip(ipBatch('route add default via 10.8.0.2', 'route add default via fd00:8::2'));
  pod.sysctl('ipv4/ip_forward', '1');
  pod.sysctl('ipv6/conf/all/forwarding', '1');
  // The application is nobody special and still serves port 53; whoever asks may ping.
  pod.sysctl('ipv4/ip_unprivileged_port_start', '0');
  pod.sysctl('ipv4/ping_group_range', '0 2147483647');
  // Fast open both ways, data in the SYN also without a cookie, on every listener (ip-sysctl.rst: 0x1 0x2 0x4 0x200 0x400).
  for (const netns of [pod, outside, side]) netns.sysctl('ipv4/tcp_fastopen', String(0x607));
}

/** Who serves an endpoint: the application in the pod, or a server in one of the namespaces around it. */
export function placeOf(to: string): Place {
  const address = plainAddress(to);
  if (isPodLocal(to)) return 'pod';
  return address === '10.8.0.1' || address === 'fd00:8::1' ? 'side' : 'outside';
}

/** Whether an endpoint is an address of the pod, loopback included. */
export function isPodLocal(to: string): boolean {
  const address = plainAddress(to);
  return isLoopback(to) || podAddresses.some((own) => own === address);
}

/** 127.0.0.0/8, ::1 and ::6. */
export function isLoopback(to: string): boolean {
  const address = plainAddress(to);
  return address.startsWith('127.') || address === '::1' || address === '::6';
}
