import { expect } from 'vitest';
import { createAuthority } from '../../src/mesh/certificates/authority.ts';
import type { WorkloadCertificate } from '../../src/mesh/certificates/workload.ts';
import { issueWorkloadCertificate } from '../../src/mesh/certificates/workload.ts';
import { bootstrap } from '../../src/mesh/envoy/bootstrap.ts';
import type { ProxyFiles } from '../../src/mesh/envoy/files.ts';
import { spiffeIdentity } from '../../src/mesh/envoy/names.ts';
import { proxyConfiguration } from '../../src/mesh/envoy/proxy-configuration.ts';
import { secretsFiles } from '../../src/mesh/envoy/secrets.ts';
import type { MeshSnapshot, RedirectBackend, Workload } from '../../src/mesh/model.ts';
import type { MeshPod } from './mesh-pods.ts';
import { connectedPods, proxyUser } from './mesh-pods.ts';
import { meshSnapshot, workload } from './mesh-snapshot.ts';

/** The pod that calls. */
export const client = workload('client', { addresses: ['10.9.0.2', 'fd00:9::2'] });
/** The pod that is called: one application behind every kind of port. */
export const server = workload('server', {
  addresses: ['10.9.0.3', 'fd00:9::3'],
  ports: [
    { name: 'web', port: 8080, protocol: 'TCP' },
    { name: null, port: 8081, protocol: 'TCP' },
  ],
});
const port = (name: string | null, number: number, targetPort: number | string = number) =>
  ({ name, port: number, targetPort, protocol: 'TCP', appProtocol: null }) as const;
/** Both pods, STRICT, without a policy. */
export const base: MeshSnapshot = meshSnapshot({
  workloads: [client, server],
  services: [
    {
      name: 'server',
      namespace: 'demo',
      clusterIPs: ['10.96.0.10', 'fd00:96::10'],
      headless: false,
      selector: { app: 'server' },
      ports: [
        port('http', 80, 'web'),
        port(null, 8081),
        port('postgres', 5432),
        port('mysql', 3306),
        port(null, 3307),
        port('grpc', 9090),
        port(null, 9091),
      ],
    },
    { name: 'peers', namespace: 'demo', clusterIPs: [], headless: true, selector: { app: 'server' }, ports: [port('tcp', 5432)] },
  ],
});
/** An application's user, for calls out of the server's pod. */
const callerUser = 1000;
export const iptables: RedirectBackend = { kind: 'iptables' };
export const skLookup: RedirectBackend = { kind: 'ebpf', inbound: 'sk_lookup' };
export const bind: RedirectBackend = { kind: 'ebpf', inbound: 'bind' };
const applicationPorts = [
  'http:8080',
  'http:8081',
  'h2c:9090',
  'h2c:9091',
  'echo:5432',
  'greeting:3306',
  'greeting:3307',
  'echo:9999',
] as const;

/** Two pods with proxies. Whoever starts it closes it. */
export interface Pair {
  readonly client: MeshPod;
  readonly server: MeshPod;
  /** Configures both proxies for a snapshot. */
  readonly apply: (snapshot: MeshSnapshot) => Promise<void>;
  /** A new certificate of the pair's authority. */
  readonly certificate: (of: Workload) => Promise<WorkloadCertificate>;
  /** A new certificate and the roots, as the proxy's files. */
  readonly secrets: (of: Workload) => Promise<ProxyFiles>;
  readonly close: () => Promise<void>;
}

/**
 * Starts both pods with real proxies. The client's is always redirected by iptables; `backend` is the server's. `edit` changes what the server's proxy
 * is told; `user` is the server's proxy's.
 */
export async function startPair(
  backend: RedirectBackend,
  options: { readonly edit?: (files: ProxyFiles) => ProxyFiles; readonly user?: number } = {},
): Promise<Pair> {
  const authority = await createAuthority({ trustDomain: 'cluster.local', now: new Date(), lifetimeMs: 86_400_000 });
  const certificate = (of: Workload) =>
    issueWorkloadCertificate(authority, { spiffeId: spiffeIdentity('cluster.local', of), now: new Date(), lifetimeMs: 3_600_000 });
  const secrets = async (of: Workload) => secretsFiles(await certificate(of), authority.certificatePem);
  const own = [await secrets(client), await secrets(server)] as const;
  const [clientPod, serverPod] = await connectedPods(client.addresses, server.addresses);
  const edit = options.edit ?? ((files) => files);
  const apply = async (snapshot: MeshSnapshot) => {
    await clientPod.configure({
      ...proxyConfiguration(snapshot, client, iptables, { directory: clientPod.configDirectory }),
      ...own[0],
    });
    await serverPod.configure({
      ...edit(proxyConfiguration(snapshot, server, backend, { directory: serverPod.configDirectory })),
      ...own[1],
    });
  };
  const close = async () => {
    await clientPod.close();
    await serverPod.close();
  };
  try {
    for (const command of ['iptables', 'ip6tables']) {
      await clientPod.must(
        `${command} -w -t nat -A OUTPUT -p tcp -m owner ! --uid-owner ${proxyUser} ! -o lo -j REDIRECT --to-ports 15001`,
      );
      const self = command === 'iptables' ? '127.0.0.1/32' : '::1/128';
      const passthrough = command === 'iptables' ? '127.0.0.6/32' : '::6/128';
      const owner = `-m owner --uid-owner ${options.user ?? proxyUser}`;
      await serverPod.must(`${command} -w -t nat -A OUTPUT -p tcp -o lo -s ${passthrough} -j RETURN`);
      await serverPod.must(`${command} -w -t nat -A OUTPUT -p tcp -o lo ! -d ${self} ${owner} -j REDIRECT --to-ports 15006`);
      await serverPod.must(`${command} -w -t nat -A OUTPUT -p tcp -m owner --uid-owner ${callerUser} ! -o lo -j REDIRECT --to-ports 15001`);
      if (backend.kind === 'iptables') await serverPod.must(`${command} -w -t nat -A PREROUTING -p tcp -j REDIRECT --to-ports 15006`);
    }
    await serverPod.application(backend.kind === 'ebpf' && backend.inbound === 'bind' ? '127.0.0.1' : '::', ...applicationPorts);
    await apply(base);
    const shared = { clusterDomain: 'cluster.local' };
    await clientPod.startProxy(bootstrap({ ...shared, workload: client, backend: iptables, directory: clientPod.configDirectory }));
    await serverPod.startProxy(bootstrap({ ...shared, workload: server, backend, directory: serverPod.configDirectory }), options.user);
  } catch (error) {
    await close();
    throw error;
  }
  return { client: clientPod, server: serverPod, apply, certificate, secrets, close };
}

/** What the application saw. */
export interface Seen {
  readonly remote: string;
  readonly version: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** The pod calls a service of which it is the only pod itself. */
export async function callsItself(pod: MeshPod): Promise<void> {
  for (const url of ['http://10.96.0.10/', 'http://[fd00:96::10]/']) {
    const { stdout } = await pod.run(['curl', '-s', '-g', '-m', '5', url], { user: callerUser });
    expect(stdout).toContain('URI=spiffe://cluster.local/ns/demo/sa/server');
  }
}

/** A request by curl: the status (0: no answer) and the body. */
export async function get(
  pod: MeshPod,
  url: string,
  ...more: readonly string[]
): Promise<{ readonly status: number; readonly text: string }> {
  const { stdout } = await pod.run(['curl', '-s', '-g', '-m', '5', '-w', '\n%{http_code}', ...more, url]);
  const end = stdout.lastIndexOf('\n');
  return { status: Number(stdout.slice(end + 1)), text: stdout.slice(0, end) };
}

/** As get, for a request that must succeed. */
export async function seen(pod: MeshPod, url: string, ...more: readonly string[]): Promise<Seen> {
  const { status, text } = await get(pod, url, ...more);
  expect(`${status} ${text}`).toMatch(/^200 /);
  const parsed: Seen = JSON.parse(text);
  return parsed;
}

/** Sends a line over TCP (nothing if it is empty) and returns what comes within two seconds. */
export async function say(pod: MeshPod, host: string, to: number, line: string, user = 0): Promise<string> {
  const script = `exec 3<>/dev/tcp/${host}/${to} || exit 9; ${line === '' ? '' : `printf '%s' '${line}' >&3;`} timeout 2 head -c ${Math.max(line.length, 8)} <&3`;
  return (await pod.run(['bash', '-c', script], { user })).stdout;
}

/** Arguments of curl that stand in for DNS: every name leads to the service's address. */
export const byName = ['--connect-to', '::10.96.0.10:80'];
