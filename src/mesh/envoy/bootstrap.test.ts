import { describe, expect, it } from 'vitest';
import { workload } from '../../../test/support/mesh-snapshot.ts';
import { bootstrap, envoyArguments } from './bootstrap.ts';

describe('bootstrap()', () => {
  const made = bootstrap({
    workload: workload('web-1', { owner: 'web', labels: { app: 'web' } }),
    backend: { kind: 'ebpf', inbound: 'bind' },
    clusterDomain: 'cluster.local',
    directory: '/run/proxy',
  });

  it('names the node as Istio does', () => {
    expect(made.node.id).toBe('sidecar~10.9.0.2~web-1.demo~demo.svc.cluster.local');
    expect(made.node.cluster).toBe('web.demo');
    expect(made.node.metadata).toMatchObject({
      NAMESPACE: 'demo',
      LABELS: { app: 'web' },
      INTERCEPTION_MODE: 'REDIRECT',
      MILLRACE_REDIRECT: 'ebpf/bind',
    });
  });

  it('keeps the admin port to the pod itself', () => {
    expect(made.admin.address.socket_address).toEqual({ address: '127.0.0.1', port_value: 15000 });
  });
});

describe('envoyArguments()', () => {
  it('turns hot restart off, so that proxies of many pods do not share memory', () => {
    expect(envoyArguments({ bootstrapPath: '/run/proxy/envoy.json' })).toContain('--disable-hot-restart');
  });
});
