import { formatIp, parseIp } from '../../pods/address.ts';
import type { MeshService, MeshSnapshot, Workload } from '../model.ts';
import { dashedAddress, reverseName } from './reverse-name.ts';

/** The data of one record. Names are without a final dot. */
export type ZoneRecord =
  | { readonly kind: 'A' | 'AAAA'; readonly address: string }
  | { readonly kind: 'PTR'; readonly target: string }
  /** Of a name that has no other record. */
  | { readonly kind: 'CNAME'; readonly target: string }
  | { readonly kind: 'SRV'; readonly target: string; readonly port: number }
  | { readonly kind: 'TXT'; readonly text: string };

/** Every name that the cluster's DNS answers for. */
export interface DnsZone {
  /** The cluster domain in lower case, such as `cluster.local`. All names below it are ours, known or not. */
  readonly domain: string;
  /** By name, in lower case. A name without records exists all the same: it has names below it, or a service without addresses. */
  readonly names: ReadonlyMap<string, readonly ZoneRecord[]>;
}

/** The version of the Kubernetes DNS specification that the zone follows, published as TXT of `dns-version`. */
const specificationVersion = '1.1.0';

/**
 * The zone of a snapshot, after "Kubernetes DNS-Based Service Discovery" (kubernetes/dns, docs/specification.md): services, their named ports, headless
 * services with an entry for each ready endpoint, pods by address (only those that exist), and PTR records of cluster addresses and
 * headless endpoints.
 */
export function zoneOf(snapshot: Pick<MeshSnapshot, 'clusterDomain' | 'services' | 'workloads'>): DnsZone {
  const domain = snapshot.clusterDomain.toLowerCase();
  const zone = new ZoneBuilder(domain);
  zone.add(`dns-version.${domain}`, { kind: 'TXT', text: specificationVersion });
  for (const type of ['svc', 'pod']) zone.touch(`${type}.${domain}`);
  for (const service of snapshot.services) {
    const name = `${service.name}.${service.namespace}.svc.${domain}`;
    zone.touch(name);
    if (service.headless) addHeadless(zone, name, service, snapshot.workloads);
    else addClustered(zone, name, service);
  }
  for (const { namespace, addresses } of snapshot.workloads) {
    for (const address of addresses) zone.addAddress(`${dashedAddress(address)}.${namespace}.pod.${domain}`, address);
  }
  return { domain, names: zone.names };
}

/** The zone, and names outside of it that are answered as well. What the zone has goes first. */
export function withOutsideNames(zone: DnsZone, outside: DnsZone['names']): DnsZone {
  return outside.size === 0 ? zone : { domain: zone.domain, names: new Map([...outside, ...zone.names]) };
}

function addClustered(zone: ZoneBuilder, name: string, service: MeshService): void {
  for (const address of service.clusterIPs) {
    zone.addAddress(name, address);
    zone.addReverse(address, name);
  }
  for (const port of service.ports) {
    if (port.name !== null) zone.add(portName(port.name, port.protocol, name), { kind: 'SRV', target: name, port: port.port });
  }
}

/** A headless service is its ready endpoints. The specification leaves an endpoint's name open; CoreDNS and we take the dashed address. */
function addHeadless(zone: ZoneBuilder, name: string, service: MeshService, workloads: readonly Workload[]): void {
  for (const workload of workloads.filter((candidate) => candidate.ready && selects(service, candidate))) {
    for (const address of workload.addresses) {
      const endpoint = `${dashedAddress(address)}.${name}`;
      zone.addAddress(name, address);
      zone.addAddress(endpoint, address);
      zone.addReverse(address, endpoint);
      for (const port of service.ports) {
        const target = typeof port.targetPort === 'number' ? port.targetPort : namedPort(workload, port.targetPort, port.protocol);
        if (port.name !== null && target !== null)
          zone.add(portName(port.name, port.protocol, name), { kind: 'SRV', target: endpoint, port: target });
      }
    }
  }
}

/** A service without a selector selects nothing: its endpoints would be made by hand. */
function selects(service: MeshService, workload: Workload): boolean {
  const wanted = Object.entries(service.selector);
  return workload.namespace === service.namespace && wanted.length > 0 && wanted.every(([key, value]) => workload.labels[key] === value);
}

function namedPort(workload: Workload, name: string, protocol: 'TCP' | 'UDP' | 'SCTP'): number | null {
  return workload.ports.find((port) => port.name === name && port.protocol === protocol)?.port ?? null;
}

function portName(port: string, protocol: string, service: string): string {
  return `_${port}._${protocol.toLowerCase()}.${service}`;
}

class ZoneBuilder {
  readonly names = new Map<string, ZoneRecord[]>();
  readonly #domain: string;

  constructor(domain: string) {
    this.#domain = domain;
  }

  /** Makes a name exist, and every name between it and the domain (RFC 4592 §2.2.2: an empty non-terminal exists). */
  touch(name: string): ZoneRecord[] {
    const key = name.toLowerCase();
    const known = this.names.get(key);
    if (known !== undefined) return known;
    const records: ZoneRecord[] = [];
    this.names.set(key, records);
    const parent = key.slice(key.indexOf('.') + 1);
    if (key !== this.#domain && (parent === this.#domain || parent.endsWith(`.${this.#domain}`))) this.touch(parent);
    return records;
  }

  add(name: string, record: ZoneRecord): void {
    this.touch(name).push(record);
  }

  addAddress(name: string, address: string): void {
    const ip = parseIp(address);
    if (ip === null) throw new Error(`not an address: ${address}`);
    this.add(name, { kind: ip.family === 4 ? 'A' : 'AAAA', address: formatIp(ip) });
  }

  addReverse(address: string, target: string): void {
    const name = reverseName(address);
    if (name !== null) this.add(name, { kind: 'PTR', target });
  }
}
