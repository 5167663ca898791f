import { createHash } from 'node:crypto';
import { MillraceError, UserError } from '../../base/errors.ts';

/** Addresses of the lab's network. Documented in README.md; nothing of them leaves the lab's own namespaces. */
export const labNetwork = {
  podPrefix4: '10.244.0',
  podPrefix6: 'fd00:10:244::',
  serviceCidr: '10.96.0.0/16',
  dnsAddress: '10.96.0.10',
  nodeAddress4: '10.244.0.1',
  nodeAddress6: 'fd00:10:244::1',
  gateway4: '169.254.1.1',
  gateway6: 'fe80::1',
  /** Stands for "outside the cluster" (RFC 5737 and RFC 3849): the node answers there. */
  externalAddress4: '198.51.100.1',
  externalAddress6: '2001:db8:100::1',
} as const;

const firstPod = 2;
const lastPod = 254;

/** Pod numbers 2–254. A freed number is used again only after all others, so that late packets do not reach a new pod. */
export class PodNumbers {
  readonly #used = new Set<number>();
  #next = firstPod;

  /** @throws MillraceError LAB_FULL when all 253 are taken */
  take(): number {
    for (let tries = firstPod; tries <= lastPod; tries += 1) {
      const candidate = this.#next;
      this.#next = candidate === lastPod ? firstPod : candidate + 1;
      if (!this.#used.has(candidate)) {
        this.#used.add(candidate);
        return candidate;
      }
    }
    throw new MillraceError('LAB_FULL', `Cannot give a pod an address because all of them are taken: ${this.#used.size} pods`);
  }

  release(number: number): void {
    this.#used.delete(number);
  }
}

export interface PodAddresses {
  readonly number: number;
  readonly ipv4: string;
  readonly ipv6: string;
  readonly mac: string;
  /** The node's end of the pair. */
  readonly nodeInterface: string;
}

export function podAddresses(number: number): PodAddresses {
  const hex = number.toString(16);
  return {
    number,
    ipv4: `${labNetwork.podPrefix4}.${number}`,
    ipv6: `${labNetwork.podPrefix6}${hex}`,
    mac: `02:00:0a:f4:00:${hex.padStart(2, '0')}`,
    nodeInterface: `mr${number}`,
  };
}

export interface ServiceRequest {
  /** namespace/name */
  readonly key: string;
  /** null: allocate one; 'None': headless; else this one. */
  readonly clusterIP: string | null;
}

/**
 * Virtual addresses for all services: explicit ones first, then what a service already has, then a place that follows from the name's
 * hash, so that a lab started twice has the same addresses. Headless services get none.
 * @throws UserError SERVICE_ADDRESS for an address outside 10.96.0.0/16 or one that two services claim
 */
export function allocateServiceAddresses(services: readonly ServiceRequest[], held: ReadonlyMap<string, string>): Map<string, string> {
  const result = new Map<string, string>();
  const taken = new Map<string, string>([[labNetwork.dnsAddress, 'the name server']]);
  const sorted = [...services].sort((a, b) => (a.key < b.key ? -1 : 1));
  for (const service of sorted) {
    if (service.clusterIP === null || service.clusterIP === 'None') continue;
    checkExplicit(service.key, service.clusterIP, taken);
    taken.set(service.clusterIP, service.key);
    result.set(service.key, service.clusterIP);
  }
  const waiting: string[] = [];
  for (const service of sorted) {
    if (service.clusterIP !== null) continue;
    const before = held.get(service.key);
    if (before !== undefined && !taken.has(before)) {
      taken.set(before, service.key);
      result.set(service.key, before);
    } else {
      waiting.push(service.key);
    }
  }
  for (const key of waiting) {
    const address = freeAddress(key, taken);
    taken.set(address, key);
    result.set(key, address);
  }
  return result;
}

function checkExplicit(key: string, address: string, taken: ReadonlyMap<string, string>): void {
  const parts = /^10\.96\.(\d{1,3})\.(\d{1,3})$/.exec(address);
  const inRange = parts !== null && Number(parts[1]) <= 255 && Number(parts[2]) <= 255;
  if (!inRange) {
    throw new UserError(
      'SERVICE_ADDRESS',
      `Cannot give service ${key} its clusterIP because it is outside ${labNetwork.serviceCidr}: ${address}`,
      {
        cure: `Leave clusterIP out, or choose an address of ${labNetwork.serviceCidr}.`,
      },
    );
  }
  const owner = taken.get(address);
  if (owner !== undefined) {
    throw new UserError('SERVICE_ADDRESS', `Cannot give service ${key} its clusterIP because ${owner} has it: ${address}`, {
      cure: 'Leave clusterIP out, or choose another address.',
    });
  }
}

/** 10.96.1.0–10.96.254.255: the low addresses stay free for explicit ones, as Kubernetes keeps its static band. */
function freeAddress(key: string, taken: ReadonlyMap<string, string>): string {
  const size = 254 * 256;
  const start = createHash('sha256').update(key).digest().readUInt32BE(0) % size;
  for (let step = 0; step < size; step += 1) {
    const place = (start + step) % size;
    const address = `10.96.${1 + (place >> 8)}.${place & 255}`;
    if (!taken.has(address)) return address;
  }
  throw new MillraceError('LAB_FULL', `Cannot give service ${key} an address because all of them are taken: ${taken.size}`);
}
