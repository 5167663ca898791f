import {
  backendCodec,
  backendKeyCodec,
  dnsQueryCodec,
  dnsQueryKeyCodec,
  dnsReplyCodec,
  dnsReplyKeyCodec,
  dnsServerCodec,
  dnsServerKeyCodec,
  forwardBackCodec,
  forwardBackKeyCodec,
  forwardCodec,
  groupCodec,
  groupKeyCodec,
  interfaceCodec,
  interfaceKeyCodec,
  listenerAddrCodec,
  listenerKeyCodec,
  originCodec,
  podCodec,
  portCodec,
  portKeyCodec,
  rangeCodec,
  rangeKeyCodec,
  serviceCodec,
  serviceKeyCodec,
  tupleCodec,
  usageCodec,
} from '../../abi/gen/index.ts';
import type { BpfObject } from '../../kernel/index.ts';
import { mapCodec, u32, u64 } from '../../kernel/index.ts';

/** Every pinned map, by its C name (bpf/lib/maps.bpf.h). */
export const mapNames = [
  'mr_pods',
  'mr_ranges',
  'mr_ports',
  'mr_groups',
  'mr_sockets',
  'mr_handovers',
  'mr_usage',
  'mr_listeners',
  'mr_listener_addrs',
  'mr_services',
  'mr_backends',
  'mr_interfaces',
  'mr_forwards',
  'mr_forwards_back',
  'mr_forward_origins',
  'mr_dns_servers',
  'mr_dns_queries',
  'mr_dns_replies',
  'mr_counters',
  'mr_events',
] as const;

/** The maps that user space reads and writes, typed. Values of `listeners` are socket descriptors when written and socket cookies when read. */
export type DataPlaneMaps = ReturnType<typeof openMaps>;

/** Opens the maps of a loaded object. The caller closes each. */
export function openMaps(object: BpfObject) {
  return {
    pods: object.map('mr_pods', mapCodec(u64, podCodec)),
    ranges: object.map('mr_ranges', mapCodec(rangeKeyCodec, rangeCodec)),
    ports: object.map('mr_ports', mapCodec(portKeyCodec, portCodec)),
    groups: object.map('mr_groups', mapCodec(groupKeyCodec, groupCodec)),
    handovers: object.map('mr_handovers', mapCodec(tupleCodec, originCodec)),
    usage: object.map('mr_usage', mapCodec(u64, usageCodec)),
    listeners: object.map('mr_listeners', mapCodec(listenerKeyCodec, u64)),
    listenerAddrs: object.map('mr_listener_addrs', mapCodec(listenerKeyCodec, listenerAddrCodec)),
    services: object.map('mr_services', mapCodec(serviceKeyCodec, serviceCodec)),
    backends: object.map('mr_backends', mapCodec(backendKeyCodec, backendCodec)),
    interfaces: object.map('mr_interfaces', mapCodec(interfaceKeyCodec, interfaceCodec)),
    forwards: object.map('mr_forwards', mapCodec(tupleCodec, forwardCodec)),
    forwardsBack: object.map('mr_forwards_back', mapCodec(forwardBackKeyCodec, forwardBackCodec)),
    forwardOrigins: object.map('mr_forward_origins', mapCodec(tupleCodec, originCodec)),
    dnsServers: object.map('mr_dns_servers', mapCodec(dnsServerKeyCodec, dnsServerCodec)),
    dnsQueries: object.map('mr_dns_queries', mapCodec(dnsQueryKeyCodec, dnsQueryCodec)),
    dnsReplies: object.map('mr_dns_replies', mapCodec(dnsReplyKeyCodec, dnsReplyCodec)),
    counters: object.map('mr_counters', mapCodec(u32, u64)),
    events: object.map('mr_events'),
  };
}
