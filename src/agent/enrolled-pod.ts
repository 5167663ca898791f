import type { PodStatus } from '../api/types.ts';
import type { NetnsHandle } from '../kernel/index.ts';
import { formatIp } from '../pods/address.ts';
import type { Backend, PodRequest, RedirectConfig } from '../pods/types.ts';
import { isListening } from '../redirect/ebpf/listeners.ts';
import type { DataPlaneMaps } from '../redirect/ebpf/maps.ts';
import type { NetnsView } from '../redirect/ebpf/netns-view.ts';
import type { PodTables } from '../redirect/ebpf/tables.ts';
import { compileTables } from '../redirect/ebpf/tables.ts';

/** A pod that the agent redirects: the wish, what it was compiled from, and the open namespace. The descriptor keeps the cookie unique. */
export interface EnrolledPod {
  readonly request: PodRequest;
  /** Who redirects, with `auto` decided. */
  readonly backend: Backend;
  readonly config: RedirectConfig;
  readonly netns: NetnsHandle;
  readonly view: NetnsView;
  readonly spread6: boolean;
  readonly problems: readonly string[];
}

/** The rows that the pod should have. Throws UserError ANNOTATION_INVALID. */
export function tablesOf(pod: EnrolledPod): PodTables {
  const { request, backend, config, netns, view, spread6 } = pod;
  const { name, meshed, uidMap } = request;
  return compileTables({ name, cookie: netns.cookie, ...view, backend, meshed, uidMap, spread6 }, config);
}

/** What the kernel says of the pod now. */
export function statusOf(pod: EnrolledPod, maps: DataPlaneMaps): Omit<PodStatus, 'identity'> {
  const redirected = pod.request.meshed && pod.config.interceptionMode !== 'NONE' && pod.backend !== 'iptables';
  const outbound = {
    role: 'outbound' as const,
    port: pod.config.outboundPort,
    present: isListening(maps, pod.netns.cookie, pod.config.outboundPort),
  };
  const inbound = {
    role: 'inbound' as const,
    port: pod.config.inboundPort,
    present: isListening(maps, pod.netns.cookie, pod.config.inboundPort),
  };
  const listeners = !redirected ? [] : pod.backend === 'bind' ? [outbound] : [outbound, inbound];
  const absent = listeners
    .filter(({ present }) => !present)
    .map(({ role, port }) => `the proxy does not listen on its ${role} port ${port}: connections are refused`);
  const inKernel = maps.pods.get(pod.netns.cookie) !== null;
  return {
    name: pod.request.name,
    netns: pod.request.netns,
    cookie: pod.netns.cookie.toString(),
    backend: pod.backend,
    meshed: pod.request.meshed,
    addresses: pod.view.addresses.map(formatIp),
    listeners,
    problems: [
      ...(inKernel ? [] : ['the kernel has no row for this pod: its connections are not redirected until the agent puts it back']),
      ...pod.problems,
      ...absent,
    ],
  };
}
