import { describe, expect, it } from 'vitest';
import type { MeshService } from '../model.ts';
import { serviceDomains } from './domains.ts';

const service: MeshService = {
  name: 'web',
  namespace: 'demo',
  clusterIPs: ['10.96.0.9', 'fd00::9'],
  headless: false,
  ports: [],
  selector: {},
};
const cluster = { clusterDomain: 'cluster.local' };

describe('serviceDomains()', () => {
  it('lists every form of a name with and without the port', () => {
    expect(serviceDomains(cluster, service, 80, 'demo')).toEqual(
      ['web', 'web.demo', 'web.demo.svc', 'web.demo.svc.cluster.local', '10.96.0.9', '[fd00::9]']
        .flatMap((host) => [host, `${host}:80`])
        .sort(),
    );
  });

  it('leaves the bare name out in another namespace', () => {
    const domains = serviceDomains(cluster, service, 80, 'other');
    expect(domains).not.toContain('web');
    expect(domains).toContain('web.demo');
  });

  it('takes the names of single pods of a headless service', () => {
    const domains = serviceDomains(cluster, { ...service, clusterIPs: [], headless: true }, 80, 'other');
    expect(domains).toContain('*.web.demo.svc.cluster.local:80');
  });
});
