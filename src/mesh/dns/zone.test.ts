import { describe, expect, it } from 'vitest';
import { meshService, workload } from './testdata/snapshot.ts';
import { withOutsideNames, zoneOf } from './zone.ts';

const clusterDomain = 'cluster.local';
const names = (zone: ReturnType<typeof zoneOf>, name: string) => zone.names.get(name);

describe('zoneOf()', () => {
  it('zoneOf() gives a service its cluster addresses, its named ports and a reverse name', () => {
    const zone = zoneOf({ clusterDomain, workloads: [], services: [meshService({ clusterIPs: ['10.96.0.7', 'fd00:96::7'] })] });
    const name = 'httpbin.demo.svc.cluster.local';
    expect(names(zone, name)).toEqual([
      { kind: 'A', address: '10.96.0.7' },
      { kind: 'AAAA', address: 'fd00:96::7' },
    ]);
    expect(names(zone, `_http._tcp.${name}`)).toEqual([{ kind: 'SRV', target: name, port: 8000 }]);
    expect(names(zone, '7.0.96.10.in-addr.arpa')).toEqual([{ kind: 'PTR', target: name }]);
    expect(names(zone, '7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.0.d.f.ip6.arpa')).toEqual([
      { kind: 'PTR', target: name },
    ]);
  });

  it('zoneOf() gives a headless service the addresses of its ready pods when some are not ready or not selected', () => {
    const zone = zoneOf({
      clusterDomain,
      services: [meshService({ clusterIPs: [], headless: true })],
      workloads: [
        workload('a', '10.1.0.7'),
        workload('b', '10.1.0.8', { ready: false }),
        workload('c', '10.1.0.9', { labels: { app: 'other' } }),
        workload('d', '10.1.0.10', { namespace: 'other' }),
      ],
    });
    const name = 'httpbin.demo.svc.cluster.local';
    expect(names(zone, name)).toEqual([{ kind: 'A', address: '10.1.0.7' }]);
    expect(names(zone, `10-1-0-7.${name}`)).toEqual([{ kind: 'A', address: '10.1.0.7' }]);
    expect(names(zone, `_http._tcp.${name}`)).toEqual([{ kind: 'SRV', target: `10-1-0-7.${name}`, port: 80 }]);
    expect(names(zone, '7.0.1.10.in-addr.arpa')).toEqual([{ kind: 'PTR', target: `10-1-0-7.${name}` }]);
  });

  it('zoneOf() leaves the port of an endpoint out when the pod does not have the named port', () => {
    const port = { name: 'http', port: 8000, targetPort: 'metrics', protocol: 'TCP', appProtocol: null } as const;
    const zone = zoneOf({
      clusterDomain,
      services: [meshService({ clusterIPs: [], headless: true, ports: [port] })],
      workloads: [workload('a', '10.1.0.7')],
    });
    expect(names(zone, '_http._tcp.httpbin.demo.svc.cluster.local')).toBeUndefined();
  });

  it('zoneOf() keeps a headless service without endpoints as an empty name', () => {
    const zone = zoneOf({ clusterDomain, services: [meshService({ clusterIPs: [], headless: true })], workloads: [] });
    expect(names(zone, 'httpbin.demo.svc.cluster.local')).toEqual([]);
  });

  it('zoneOf() selects no pod when a headless service has no selector', () => {
    const zone = zoneOf({
      clusterDomain,
      services: [meshService({ headless: true, clusterIPs: [], selector: {} })],
      workloads: [workload('a', '10.1.0.7')],
    });
    expect(names(zone, 'httpbin.demo.svc.cluster.local')).toEqual([]);
  });

  it('zoneOf() names pods by their addresses, ready or not', () => {
    const zone = zoneOf({
      clusterDomain,
      services: [],
      workloads: [workload('a', '10.1.0.7', { ready: false, addresses: ['10.1.0.7', 'fd00::7'] })],
    });
    expect(names(zone, '10-1-0-7.demo.pod.cluster.local')).toEqual([{ kind: 'A', address: '10.1.0.7' }]);
    expect(names(zone, 'fd00--7.demo.pod.cluster.local')).toEqual([{ kind: 'AAAA', address: 'fd00::7' }]);
  });

  it('zoneOf() makes the names between a record and the domain exist', () => {
    const zone = zoneOf({ clusterDomain: 'Cluster.Local', services: [meshService({})], workloads: [] });
    for (const name of [
      'cluster.local',
      'svc.cluster.local',
      'pod.cluster.local',
      'demo.svc.cluster.local',
      '_tcp.httpbin.demo.svc.cluster.local',
    ]) {
      expect(names(zone, name)).toEqual([]);
    }
    expect(names(zone, 'local')).toBeUndefined();
    expect(names(zone, 'dns-version.cluster.local')).toEqual([{ kind: 'TXT', text: '1.1.0' }]);
  });
});

describe('withOutsideNames()', () => {
  it('adds names, and changes none that the zone has', () => {
    const zone = zoneOf({ clusterDomain, workloads: [], services: [meshService({})] });
    const httpbin = 'httpbin.demo.svc.cluster.local';
    const outside = new Map([
      ['api.example.com', [{ kind: 'A', address: '172.20.0.10' } as const]],
      [httpbin, [{ kind: 'A', address: '172.20.0.10' } as const]],
    ]);
    const both = withOutsideNames(zone, outside);
    expect(both.domain).toBe(clusterDomain);
    expect(names(both, 'api.example.com')).toEqual([{ kind: 'A', address: '172.20.0.10' }]);
    expect(names(both, httpbin)).toEqual(names(zone, httpbin));
    expect(withOutsideNames(zone, new Map())).toBe(zone);
  });
});
