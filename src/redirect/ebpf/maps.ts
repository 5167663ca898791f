import {
  backendCodec,
  backendKeyCodec,
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
} from '../../abi/gen/index.ts';
import type { BpfObject } from '../../kernel/index.ts';
import { mapCodec, u32, u64 } from '../../kernel/index.ts';

/** Every pinned map, by its C name (bpf/lib/maps.bpf.h). */
export const mapNames = [
  'mr_pods',
  'mr_ranges',
  'mr_ports',
  'mr_sockets',
  'mr_handovers',
  'mr_listeners',
  'mr_listener_addrs',
  'mr_services',
  'mr_backends',
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
    handovers: object.map('mr_handovers', mapCodec(tupleCodec, originCodec)),
    listeners: object.map('mr_listeners', mapCodec(listenerKeyCodec, u64)),
    listenerAddrs: object.map('mr_listener_addrs', mapCodec(listenerKeyCodec, listenerAddrCodec)),
    services: object.map('mr_services', mapCodec(serviceKeyCodec, serviceCodec)),
    backends: object.map('mr_backends', mapCodec(backendKeyCodec, backendCodec)),
    counters: object.map('mr_counters', mapCodec(u32, u64)),
    events: object.map('mr_events'),
  };
}
