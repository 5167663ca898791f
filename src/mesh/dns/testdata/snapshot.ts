import type { MeshService, Workload } from '../../model.ts';

/** The service httpbin.demo, port 8000 to 80, with what a test changes. */
export function meshService(part: Partial<MeshService>): MeshService {
  return {
    name: 'httpbin',
    namespace: 'demo',
    clusterIPs: ['10.96.0.7'],
    headless: false,
    ports: [{ name: 'http', port: 8000, targetPort: 'web', protocol: 'TCP', appProtocol: null }],
    selector: { app: 'httpbin' },
    ...part,
  };
}

/** A ready pod of httpbin with its port `web`, with what a test changes. */
export function workload(name: string, address: string, part: Partial<Workload> = {}): Workload {
  return {
    name,
    namespace: 'demo',
    serviceAccount: 'httpbin',
    labels: { app: 'httpbin' },
    annotations: {},
    owner: 'httpbin',
    addresses: [address],
    ports: [{ name: 'web', port: 80, protocol: 'TCP' }],
    injected: true,
    ready: true,
    ...part,
  };
}
