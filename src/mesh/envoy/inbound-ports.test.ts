import { describe, expect, it } from 'vitest';
import { meshSnapshot, workload } from '../../../test/support/mesh-snapshot.ts';
import type { MeshService } from '../model.ts';
import { inboundPorts, isCaptured } from './inbound-ports.ts';

const pod = workload('web', {
  ports: [
    { name: 'main', port: 8080, protocol: 'TCP' },
    { name: 'grpc-admin', port: 9000, protocol: 'TCP' },
    { name: 'dns', port: 53, protocol: 'UDP' },
  ],
});

function service(name: string, ports: MeshService['ports'], rest: Partial<MeshService> = {}): MeshService {
  return { name, namespace: 'demo', clusterIPs: ['10.96.0.9'], headless: false, selector: { app: 'web' }, ports, ...rest };
}
const http = { name: 'http', port: 80, targetPort: 'main', protocol: 'TCP', appProtocol: null } as const;

describe('inboundPorts()', () => {
  it('joins what services point at with container ports, by number', () => {
    const tcp = { name: 'tcp', port: 70, targetPort: 7000, protocol: 'TCP', appProtocol: null } as const;
    expect(inboundPorts(meshSnapshot({ services: [service('web', [http, tcp])] }), pod)).toEqual([
      { port: 7000, protocol: 'tcp' },
      { port: 8080, protocol: 'http' },
      { port: 9000, protocol: 'http2' },
    ]);
  });

  it('lets the first service by name decide a protocol', () => {
    const services = [service('z', [{ ...http, name: 'tcp' }]), service('a', [http])];
    expect(inboundPorts(meshSnapshot({ services }), pod)).toContainEqual({ port: 8080, protocol: 'http' });
  });

  it.each([
    ['selects another pod', service('other', [http], { selector: { app: 'other' } })],
    ['has no selector', service('none', [http], { selector: {} })],
    ['is in another namespace', service('far', [http], { namespace: 'far' })],
  ])('ignores a service that %s', (_, other) => {
    expect(inboundPorts(meshSnapshot({ services: [other] }), pod)).toContainEqual({ port: 8080, protocol: 'auto' });
  });
});

describe('isCaptured()', () => {
  it.each([
    [{ kind: 'all', except: [15021] }, 80, true],
    [{ kind: 'all', except: [15021] }, 15021, false],
    [{ kind: 'only', ports: [80] }, 80, true],
    [{ kind: 'only', ports: [] }, 80, false],
  ] as const)('%j, port %i: %s', (selection, port, captured) => {
    expect(isCaptured(selection, port)).toBe(captured);
  });
});
