import type { Backend, BackendKey, Service, ServiceKey } from '../../abi/gen/index.ts';
import type { ServiceEntry } from '../../api/types.ts';
import { MillraceError } from '../../base/errors.ts';
import { mapIp, parseIp } from '../../pods/address.ts';

/** The rows of one state of the service tables. */
export interface ServiceTables {
  readonly services: readonly (readonly [ServiceKey, Service])[];
  readonly backends: readonly (readonly [BackendKey, Backend])[];
  /** The first generation number that is free after these rows. */
  readonly nextGeneration: number;
}

const tcp = 6;

/**
 * Service entries as table rows. Each service gets a generation of backends of its own, counted from `firstGeneration`; the caller writes
 * backends first, then services, then deletes the generations that nothing names any more, so that a connection finds either the old or the
 * new set. Pure. Throws MillraceError MESH_INVALID for an address that is none.
 */
export function compileServices(entries: readonly ServiceEntry[], firstGeneration: number): ServiceTables {
  const services: (readonly [ServiceKey, Service])[] = [];
  const backends: (readonly [BackendKey, Backend])[] = [];
  let generation = firstGeneration;
  for (const entry of entries) {
    const address = addressBytes(entry.address);
    const usable = entry.backends.map((backend) => ({ addr: addressBytes(backend.address), port: backend.port }));
    services.push([
      { addr: address, port: entry.port, protocol: tcp },
      { generation, count: usable.length, affinity: entry.affinitySeconds ?? 0 },
    ]);
    for (const [index, backend] of usable.entries()) backends.push([{ generation, index }, backend]);
    // 32 bits: a node that replaces a service a thousand times a second wraps after seven weeks, long after old ones are gone
    generation = (generation + 1) >>> 0;
  }
  return { services, backends, nextGeneration: generation };
}

function addressBytes(text: string): Uint8Array {
  const address = parseIp(text);
  if (address === null)
    throw new MillraceError('MESH_INVALID', `Cannot translate a service because an address is none: current value ${JSON.stringify(text)}`);
  return mapIp(address);
}
