import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { meshSnapshot, peerAuthentication, workload } from '../../../test/support/mesh-snapshot.ts';
import type { ServicePort } from '../../manifests/types.ts';
import type { MeshService, MeshSnapshot, RedirectBackend } from '../model.ts';
import { wellKnownClusters } from './names.ts';
import { proxyConfiguration } from './proxy-configuration.ts';
import type { Cluster, DiscoveryResponse, Listener } from './types.ts';

const directory = '/run/proxy';
const iptables: RedirectBackend = { kind: 'iptables' };
const skLookup: RedirectBackend = { kind: 'ebpf', inbound: 'sk_lookup' };
const bind: RedirectBackend = { kind: 'ebpf', inbound: 'bind' };

function servicePort(name: string | null, port: number, targetPort: number | string = port): ServicePort {
  return { name, port, targetPort, protocol: 'TCP', appProtocol: null };
}

function service(name: string, ports: readonly ServicePort[], rest: Partial<MeshService> = {}): MeshService {
  return { name, namespace: 'demo', clusterIPs: ['10.96.0.9'], headless: false, selector: { app: name }, ports, ...rest };
}

function resourcesOf<T extends DiscoveryResponse['resources'][number]>(
  files: Readonly<Record<string, string>>,
  path: string,
): readonly T[] {
  const parsed: { readonly resources: readonly T[] } = JSON.parse(files[path] ?? '{"resources":[]}');
  return parsed.resources;
}

const web = workload('web', { addresses: ['10.9.0.3'], ports: [{ name: 'main', port: 8080, protocol: 'TCP' }] });
const caller = workload('caller', { addresses: ['10.9.0.2'] });

function configure(snapshot: MeshSnapshot, backend = iptables, pod = web) {
  const files = proxyConfiguration(snapshot, pod, backend, { directory });
  const listeners = resourcesOf<Listener>(files, 'lds.json');
  const clusters = resourcesOf<Cluster>(files, 'cds.json');
  return {
    files,
    listeners,
    clusters,
    listener: (name: string) => listeners.find((candidate) => candidate.name === name),
    cluster: (name: string) => clusters.find((candidate) => candidate.name === name),
  };
}

describe('proxyConfiguration()', () => {
  it.each([
    ['http', '0.0.0.0_80', true],
    ['http2-api', '0.0.0.0_80', true],
    ['grpc', '0.0.0.0_80', true],
    ['grpc-web', '0.0.0.0_80', true],
    ['https', '10.96.0.9_80', false],
    ['tls', '10.96.0.9_80', false],
    ['tcp', '10.96.0.9_80', false],
    ['mongo', '10.96.0.9_80', false],
    ['mysql', '10.96.0.9_80', false],
    ['postgres', '10.96.0.9_80', false],
    ['redis', '10.96.0.9_80', false],
    ['web', '10.96.0.9_80', false],
    [null, '10.96.0.9_80', false],
  ] as const)('gives a port named %s the outbound listener %s', (name, listener, shared) => {
    const made = configure(
      meshSnapshot({ workloads: [web, caller], services: [service('web', [servicePort(name, 80, 8080)])] }),
      iptables,
      caller,
    );
    expect(made.listeners.map((candidate) => candidate.name)).toEqual(['virtualOutbound', listener, 'virtualInbound']);
    expect(Object.keys(made.files).includes('rds/80.json')).toBe(shared);
    expect(made.listener(listener)?.bind_to_port).toBe(false);
    // Only a port whose protocol is looked for makes clients wait.
    expect(made.listener(listener)?.listener_filters !== undefined).toBe(shared || name === null || name === 'web');
  });

  it('speaks mutual TLS to the pods that can, and plaintext to the others', () => {
    const workloads = [
      workload('a', { labels: { app: 'web' }, addresses: ['10.9.0.3'] }),
      workload('b', { labels: { app: 'web' }, addresses: ['10.9.0.4'], injected: false }),
      workload('c', { labels: { app: 'web', legacy: 'yes' }, addresses: ['10.9.0.5'] }),
      workload('d', { labels: { app: 'web' }, addresses: ['10.9.0.6'], ready: false }),
    ];
    const peerAuthentications = [peerAuthentication('STRICT', { selector: { legacy: 'yes' }, portLevel: { 8080: 'DISABLE' } })];
    const snapshot = meshSnapshot({ workloads, peerAuthentications, services: [service('web', [servicePort('http', 80, 8080)])] });
    const cluster = configure(snapshot, iptables, caller).cluster('outbound|80||web.demo.svc.cluster.local');
    const [group] = cluster?.type === 'STATIC' ? cluster.load_assignment.endpoints : [];
    const modes = group?.lb_endpoints.map(({ endpoint, metadata }) => [
      endpoint.address.socket_address.address,
      metadata?.filter_metadata['envoy.transport_socket_match']?.tlsMode,
    ]);
    expect(modes).toEqual([
      ['10.9.0.3', 'istio'],
      ['10.9.0.4', undefined],
      ['10.9.0.5', undefined],
    ]);
    const accounts = JSON.stringify(cluster?.transport_socket_matches?.[0]);
    expect(accounts).toContain('"exact":"spiffe://cluster.local/ns/demo/sa/a"');
    expect(accounts).not.toContain('sa/b');
    expect(accounts).toContain('"sni":"outbound_.80_._.web.demo.svc.cluster.local"');
  });

  it('looks a named target port up in each pod', () => {
    const workloads = [
      web,
      workload('old', { labels: { app: 'web' }, addresses: ['10.9.0.4'], ports: [{ name: 'main', port: 9000, protocol: 'TCP' }] }),
    ];
    const snapshot = meshSnapshot({ workloads, services: [service('web', [servicePort('http', 80, 'main')])] });
    const text = JSON.stringify(configure(snapshot, iptables, caller).cluster('outbound|80||web.demo.svc.cluster.local'));
    expect(text).toContain('{"address":"10.9.0.4","port_value":9000}');
    expect(text).toContain('{"address":"10.9.0.3","port_value":8080}');
  });

  it('leads to the pods of a headless service as the client chose', () => {
    const headless = service('web', [servicePort('tcp', 8080)], { headless: true, clusterIPs: [] });
    const made = configure(meshSnapshot({ workloads: [web, caller], services: [headless] }), iptables, caller);
    expect(made.listener('10.9.0.3_8080')).toBeDefined();
    expect(made.cluster('outbound|8080||web.demo.svc.cluster.local')).toMatchObject({
      type: 'ORIGINAL_DST',
      transport_socket: { name: 'envoy.transport_sockets.tls' },
    });
  });

  it('gives no listener to a service port that is the proxy itself', () => {
    const ports = [servicePort('http', 15001), servicePort('http-b', 15006)];
    const made = configure(meshSnapshot({ workloads: [web], services: [service('web', ports)] }));
    expect(made.listeners.map((listener) => listener.name)).toEqual(['virtualOutbound', 'virtualInbound']);
  });

  it.each([iptables, skLookup])('captures by one listener that restores the dialled address, for %j', (backend) => {
    const { listener, cluster } = configure(meshSnapshot({ workloads: [web] }), backend);
    expect(listener('virtualInbound')?.listener_filters?.[0]?.name).toBe('envoy.filters.listener.original_dst');
    expect(cluster('inbound|8080||')).toMatchObject({
      type: 'ORIGINAL_DST',
      upstream_bind_config: { source_address: { address: '127.0.0.6' } },
    });
  });

  it('listens at each address and captured port for bind, and leads to loopback', () => {
    const pod = {
      ...web,
      addresses: ['10.9.0.3', 'fd00::3'],
      ports: [...web.ports, { name: null, port: 15021, protocol: 'TCP' as const }],
    };
    const { listeners, cluster } = configure(meshSnapshot({ workloads: [pod] }), bind, pod);
    expect(listeners.map((listener) => listener.name)).toEqual(['virtualOutbound', 'virtualInbound', '10.9.0.3_8080', 'fd00::3_8080']);
    expect(listeners.slice(1).every((listener) => listener.bind_to_port !== false)).toBe(true);
    expect(JSON.stringify(cluster('inbound|8080||'))).toContain(
      '"endpoint":{"address":{"socket_address":{"address":"127.0.0.1","port_value":8080}},"additional_addresses":[{"address":{"socket_address":{"address":"::1","port_value":8080}}}]}',
    );
    expect(cluster(wellKnownClusters.inboundPassthrough)).toBeUndefined();
    // What the proxy sends to its own pod is handed to the listeners above, and nothing else gets in here.
    expect(listeners[1]).toMatchObject({
      use_original_dst: true,
      filter_chains: [],
      default_filter_chain: { name: 'virtualInbound-blackhole' },
    });
  });

  it('opens IPv6 sockets only in a pod that has an IPv6 address', () => {
    const virtual = (pod: typeof web) =>
      configure(meshSnapshot({ workloads: [pod] }), iptables, pod).listeners.map((listener) => listener.additional_addresses?.length ?? 0);
    expect(virtual(web)).toEqual([0, 0]);
    expect(virtual({ ...web, addresses: ['10.9.0.3', 'fd00::3'] })).toEqual([1, 1]);
  });

  it('gives the same bytes whatever the order of the snapshot', () => {
    const b = service('b', [servicePort('http', 80), servicePort(null, 9)], { clusterIPs: ['10.96.0.8'], selector: { app: 'web' } });
    const a = service('a', [servicePort(null, 9), servicePort('tcp', 80)], { selector: { app: 'web' } });
    const one = meshSnapshot({ workloads: [web, caller], services: [a, b] });
    const two = meshSnapshot({
      workloads: [caller, web],
      services: [b, { ...a, ports: [...a.ports].reverse() }],
    });
    expect(proxyConfiguration(one, web, iptables, { directory })).toEqual(proxyConfiguration(two, web, iptables, { directory }));
  });

  it('refers to nothing that is not there, and names nothing twice, for any services', () => {
    const port = fc.record({
      name: fc.constantFrom(null, 'http', 'grpc', 'tcp', 'mysql', 'web'),
      port: fc.constantFrom(80, 443, 5432, 15001, 15006),
      targetPort: fc.constantFrom<number | string>(80, 8080, 15006, 'main', 'missing'),
      protocol: fc.constantFrom('TCP' as const, 'UDP' as const),
      appProtocol: fc.constant(null),
    });
    const services = fc.array(
      fc.record({
        ports: fc.uniqueArray(port, { selector: (entry) => entry.port, maxLength: 4 }),
        headless: fc.boolean(),
        own: fc.boolean(),
      }),
      { maxLength: 5 },
    );
    fc.assert(
      fc.property(
        services,
        fc.constantFrom(iptables, skLookup, bind),
        fc.constantFrom('STRICT', 'PERMISSIVE', 'DISABLE'),
        (list, backend, mode) => {
          const made = list.map(({ ports, headless, own }, index) =>
            service(`s${index}`, ports, {
              headless,
              clusterIPs: headless ? [] : [`10.96.0.${index}`],
              selector: { app: own ? 'web' : 'caller' },
            }),
          );
          const { files, listeners, clusters } = configure(
            meshSnapshot({ workloads: [web, caller], services: made, defaultMutualTls: mode }),
            backend,
          );
          const text = JSON.stringify([listeners, Object.entries(files).filter(([path]) => path.startsWith('rds/'))]).replaceAll(
            '\\"',
            '"',
          );
          const names = clusters.map((cluster) => cluster.name);
          expect(new Set(names).size).toBe(names.length);
          for (const [, name = ''] of text.matchAll(/"cluster":\s*"([^"]+)"/g)) expect(names).toContain(name);
          for (const [, path = ''] of text.matchAll(/"path":\s*"\/run\/proxy\/((?:rds|ecds)[^"]+)"/g))
            expect(Object.keys(files)).toContain(path);
          for (const path of Object.keys(files).filter((name) => name.includes('/'))) expect(text).toContain(`/run/proxy/${path}`);
          expect(new Set(listeners.map((listener) => listener.name)).size).toBe(listeners.length);
          const addresses = listeners.flatMap((listener) => [
            listener.address,
            ...(listener.additional_addresses ?? []).map((more) => more.address),
          ]);
          expect(new Set(addresses.map((address) => JSON.stringify(address))).size).toBe(addresses.length);
          for (const listener of listeners) {
            const matches = listener.filter_chains.map((chain) => JSON.stringify(chain.filter_chain_match));
            expect(new Set(matches).size).toBe(matches.length);
          }
        },
      ),
    );
  });
});
