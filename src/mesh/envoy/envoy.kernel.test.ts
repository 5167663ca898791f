import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { authorizationPolicy } from '../../../test/support/authorization-policy.ts';
import { envoyPath } from '../../../test/support/envoy.ts';
import type { MeshPod } from '../../../test/support/mesh-pods.ts';
import { connectedPods, proxyUser } from '../../../test/support/mesh-pods.ts';
import { meshSnapshot, peerAuthentication, workload } from '../../../test/support/mesh-snapshot.ts';
import type { CertificateAuthority } from '../certificates/authority.ts';
import { createAuthority } from '../certificates/authority.ts';
import { issueWorkloadCertificate } from '../certificates/workload.ts';
import type { MeshSnapshot, RedirectBackend } from '../model.ts';
import { bootstrap } from './bootstrap.ts';
import type { ProxyFiles } from './files.ts';
import { spiffeIdentity } from './names.ts';
import { proxyConfiguration } from './proxy-configuration.ts';
import { secretsFiles } from './secrets.ts';

const client = workload('client', { addresses: ['10.9.0.2', 'fd00:9::2'] });
const server = workload('server', {
  addresses: ['10.9.0.3', 'fd00:9::3'],
  ports: [
    { name: 'web', port: 8080, protocol: 'TCP' },
    { name: null, port: 8081, protocol: 'TCP' },
  ],
});
const port = (name: string | null, number: number, targetPort: number | string = number) =>
  ({ name, port: number, targetPort, protocol: 'TCP', appProtocol: null }) as const;
const base: MeshSnapshot = meshSnapshot({
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
const iptables: RedirectBackend = { kind: 'iptables' };
const skLookup: RedirectBackend = { kind: 'ebpf', inbound: 'sk_lookup' };
const bind: RedirectBackend = { kind: 'ebpf', inbound: 'bind' };
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

let authority: CertificateAuthority;
beforeAll(async () => {
  authority = await createAuthority({ trustDomain: 'cluster.local', now: new Date(), lifetimeMs: 86_400_000 });
});

async function identityOf(pod: typeof client): Promise<ProxyFiles> {
  const spiffeId = spiffeIdentity('cluster.local', pod);
  const certificate = await issueWorkloadCertificate(authority, { spiffeId, now: new Date(), lifetimeMs: 3_600_000 });
  return secretsFiles(certificate, authority.certificatePem);
}

describe('proxyConfiguration()', () => {
  it.each(
    [iptables, skLookup, bind].flatMap((backend) => (['STRICT', 'PERMISSIVE', 'DISABLE'] as const).map((mode) => [backend, mode] as const)),
  )('gives what Envoy accepts for %j and %s', async (backend, mode) => {
    const directory = mkdtempSync(join(tmpdir(), 'millrace-validate-'));
    try {
      const snapshot: MeshSnapshot = {
        ...base,
        defaultMutualTls: mode,
        authorizationPolicies: [
          authorizationPolicy('ALLOW', [{ to: [{ methods: ['GET'] }] }]),
          authorizationPolicy('AUDIT', [{}], { name: 'audit' }),
        ],
      };
      const files = { ...proxyConfiguration(snapshot, server, backend, { directory }), ...(await identityOf(server)) };
      for (const [path, text] of Object.entries(files)) {
        mkdirSync(dirname(join(directory, path)), { recursive: true });
        writeFileSync(join(directory, path), text);
      }
      const { dynamic_resources: _, ...start } = bootstrap({ workload: server, backend, clusterDomain: 'cluster.local', directory });
      const static_resources = { listeners: resources(files['lds.json']), clusters: resources(files['cds.json']) };
      writeFileSync(join(directory, 'static.json'), JSON.stringify({ ...start, static_resources }));
      const { stdout, stderr } = await promisify(execFile)(envoyPath(), ['--mode', 'validate', '-c', join(directory, 'static.json')]);
      expect(stdout + stderr).toContain('OK');
      expect(stdout + stderr).not.toMatch(/\[(warning|error|critical)\]/);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});

/** Validation does not follow files: the same resources, in the bootstrap. */
function resources(text = ''): readonly object[] {
  const parsed: { readonly resources: readonly { readonly '@type': string }[] } = JSON.parse(text);
  return parsed.resources.map(({ '@type': _, ...resource }) => resource);
}

interface Pair {
  readonly client: MeshPod;
  readonly server: MeshPod;
  /** Configures both proxies for a snapshot. */
  readonly apply: (snapshot: MeshSnapshot) => Promise<void>;
  readonly close: () => Promise<void>;
}

async function startPair(
  backend: RedirectBackend,
  options: { readonly edit?: (files: ProxyFiles) => ProxyFiles; readonly user?: number } = {},
): Promise<Pair> {
  const [clientPod, serverPod] = await connectedPods(client.addresses, server.addresses);
  const secrets = [await identityOf(client), await identityOf(server)] as const;
  const edit = options.edit ?? ((files) => files);
  const apply = async (snapshot: MeshSnapshot) => {
    await clientPod.configure({
      ...proxyConfiguration(snapshot, client, iptables, { directory: clientPod.configDirectory }),
      ...secrets[0],
    });
    await serverPod.configure({
      ...edit(proxyConfiguration(snapshot, server, backend, { directory: serverPod.configDirectory })),
      ...secrets[1],
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
  return { client: clientPod, server: serverPod, apply, close };
}

interface Seen {
  readonly remote: string;
  readonly version: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** The pod calls a service of which it is the only pod itself. */
async function callsItself(pod: MeshPod): Promise<void> {
  for (const url of ['http://10.96.0.10/', 'http://[fd00:96::10]/']) {
    const { stdout } = await pod.run(['curl', '-s', '-g', '-m', '5', url], { user: callerUser });
    expect(stdout).toContain('URI=spiffe://cluster.local/ns/demo/sa/server');
  }
}

async function get(pod: MeshPod, url: string, ...more: readonly string[]): Promise<{ readonly status: number; readonly text: string }> {
  const { stdout } = await pod.run(['curl', '-s', '-g', '-m', '5', '-w', '\n%{http_code}', ...more, url]);
  const end = stdout.lastIndexOf('\n');
  return { status: Number(stdout.slice(end + 1)), text: stdout.slice(0, end) };
}

async function seen(pod: MeshPod, url: string, ...more: readonly string[]): Promise<Seen> {
  const { status, text } = await get(pod, url, ...more);
  expect(`${status} ${text}`).toMatch(/^200 /);
  const parsed: Seen = JSON.parse(text);
  return parsed;
}

/** Sends a line over TCP (nothing if it is empty) and returns what comes within two seconds. */
async function say(pod: MeshPod, host: string, to: number, line: string, user = 0): Promise<string> {
  const script = `exec 3<>/dev/tcp/${host}/${to} || exit 9; ${line === '' ? '' : `printf '%s' '${line}' >&3;`} timeout 2 head -c ${Math.max(line.length, 8)} <&3`;
  return (await pod.run(['bash', '-c', script], { user })).stdout;
}

const byName = ['--connect-to', '::10.96.0.10:80'];

describe('two proxies and iptables', () => {
  let pair: Pair;
  beforeAll(async () => {
    pair = await startPair(iptables);
  });
  afterEach(async () => {
    await pair.apply(base);
  });
  afterAll(async () => {
    await pair.close();
  });

  it('start without a warning', () => {
    expect(pair.client.output + pair.server.output).not.toMatch(/\[(warning|error|critical)\]/);
  });

  it.each(['server', 'server.demo', 'server.demo.svc', 'server.demo.svc.cluster.local', 'server.demo:80'])(
    'carry HTTP to %s with mutual TLS',
    async (host) => {
      const answer = await seen(pair.client, `http://${host}/`, ...byName);
      expect(answer.remote).toMatch(/^(::ffff:)?127\.0\.0\.6$/);
      expect(answer.headers['x-forwarded-client-cert']).toContain('URI=spiffe://cluster.local/ns/demo/sa/client');
    },
  );

  it.each(['http://10.96.0.10/', 'http://[fd00:96::10]/'])('carry HTTP to %s', async (url) => {
    expect((await seen(pair.client, url)).headers['x-forwarded-client-cert']).toContain('sa/client');
  });

  it('do not let an application forge its identity', async () => {
    const answer = await seen(
      pair.client,
      'http://server/',
      ...byName,
      '-H',
      'x-forwarded-client-cert: URI=spiffe://cluster.local/ns/demo/sa/admin',
    );
    expect(answer.headers['x-forwarded-client-cert']).not.toContain('sa/admin');
  });

  it('log the request with the identity of the peer', async () => {
    await get(pair.client, 'http://server/logged', ...byName);
    const line = await pair.server.logLine(/"GET \/logged HTTP\/1.1" 200/);
    expect(line).toContain('via_upstream');
    expect(line).toContain('inbound|8080||');
    expect(line).toContain('outbound_.80_._.server.demo.svc.cluster.local');
    expect(line.trimEnd()).toMatch(/"spiffe:\/\/cluster.local\/ns\/demo\/sa\/client"$/);
  });

  it('refuse plaintext at a STRICT port', async () => {
    const { code } = await pair.client.run(['curl', '-s', '-m', '3', 'http://10.9.0.3:8080/'], { user: proxyUser });
    expect([52, 56]).toContain(code);
    expect(await pair.server.logLine(/filter_chain_not_found/)).toContain('10.9.0.3:8080');
  });

  it('apply a policy to the connections that are open already, and lift it', async () => {
    expect((await get(pair.client, 'http://server/headers', ...byName)).status).toBe(200);
    const policy = authorizationPolicy(
      'ALLOW',
      [{ from: [{ principals: ['cluster.local/ns/demo/sa/client'] }], to: [{ paths: ['/ip'] }] }],
      {
        selector: { app: 'server' },
      },
    );
    await pair.apply({ ...base, authorizationPolicies: [policy] });
    expect((await get(pair.client, 'http://server/ip', ...byName)).status).toBe(200);
    expect(await get(pair.client, 'http://server/headers', ...byName)).toEqual({ status: 403, text: 'RBAC: access denied' });
    const refused = await pair.server.logLine(/"GET \/headers HTTP\/1.1" 403/);
    expect(refused).toContain('rbac_access_denied_matched_policy[none]');
    expect(refused.trimEnd()).toMatch(/sa\/client" "RBAC: access denied"$/);
    await pair.apply(base);
    expect((await get(pair.client, 'http://server/headers', ...byName)).status).toBe(200);
  });

  it('carry TCP and deny it by policy', async () => {
    expect(await say(pair.client, '10.96.0.10', 5432, 'select 1')).toMatch(/127\.0\.0/);
    const deny = authorizationPolicy('DENY', [{ from: [{ principals: ['cluster.local/ns/demo/sa/client'] }], to: [{ ports: ['5432'] }] }]);
    await pair.apply({ ...base, authorizationPolicies: [deny] });
    expect(await say(pair.client, '10.96.0.10', 5432, 'select 1')).toBe('');
    expect(await pair.server.logLine(/rbac_access_denied_matched_policy\[ns\[demo\]-policy\[policy\]-rule\[0\]\]/)).toContain('sa/client');
    await pair.apply(base);
    expect(await say(pair.client, '10.96.0.10', 5432, 'select 1')).toMatch(/127\.0\.0/);
  });

  it('carry a protocol in which the server speaks first, at a named port at once', async () => {
    const before = performance.now();
    expect(await say(pair.client, '10.96.0.10', 3306, '')).toBe('welcome\n');
    expect(performance.now() - before).toBeLessThan(900);
  });

  it('carry a protocol in which the server speaks first at an unnamed port', async () => {
    expect(await say(pair.client, '10.96.0.10', 3307, '')).toBe('welcome\n');
  });

  it('find HTTP at an unnamed port, at both ends', async () => {
    expect((await seen(pair.client, 'http://10.96.0.10:8081/')).headers['x-forwarded-client-cert']).toContain('sa/client');
    const get_only = authorizationPolicy('ALLOW', [{ to: [{ methods: ['GET'] }] }]);
    await pair.apply({ ...base, authorizationPolicies: [get_only] });
    expect((await get(pair.client, 'http://10.96.0.10:8081/')).status).toBe(200);
    expect((await get(pair.client, 'http://10.96.0.10:8081/', '-X', 'POST')).status).toBe(403);
    await pair.apply(base);
  });

  it.each([9090, 9091])('carry HTTP/2 from end to end at port %i', async (to) => {
    const answer = await seen(pair.client, `http://10.96.0.10:${to}/`, '--http2-prior-knowledge');
    expect(answer.version).toBe('2.0');
    expect(answer.headers['x-forwarded-client-cert']).toContain('sa/client');
  });

  it('cut an open stream that a policy no longer allows', async () => {
    const child = pair.client.start(['bash', '-c', 'exec 3<>/dev/tcp/10.96.0.10/5432; echo hello >&3; cat <&3; echo closed']);
    let received = '';
    child.stdout.on('data', (data: Buffer) => {
      received += data.toString();
    });
    await expect.poll(() => received, { timeout: 5000 }).toContain('hello');
    await pair.apply({ ...base, authorizationPolicies: [authorizationPolicy('DENY', [{ to: [{ ports: ['5432'] }] }])] });
    await expect.poll(() => received, { timeout: 10_000 }).toContain('closed');
  });

  it('carry TCP to the pods of a headless service with mutual TLS', async () => {
    expect(await say(pair.client, '10.9.0.3', 5432, 'select 1')).toMatch(/127\.0\.0/);
    expect(await pair.server.logLine(/outbound_\.5432_\._\.peers/)).toContain('sa/client');
  });

  it('carry the calls of a pod to itself', async () => {
    await callsItself(pair.server);
  });

  it.each([15001, 15006])('end connections to port %i instead of sending them round', async (to) => {
    expect((await pair.client.run(['curl', '-s', '-m', '3', `http://10.9.0.3:${to}/`])).code).not.toBe(0);
    expect((await pair.client.run(['curl', '-s', '-m', '3', `http://10.9.0.3:${to}/`], { user: proxyUser })).code).not.toBe(0);
  });

  it('keep an open stream when a service gets another pod', async () => {
    const child = pair.client.start(['bash', '-c', 'exec 3<>/dev/tcp/10.96.0.10/5432; cat <&3 & cat >&3']);
    let received = '';
    child.stdout.on('data', (data: Buffer) => {
      received += data.toString();
    });
    child.stdin.write('one');
    await expect.poll(() => received, { timeout: 5000 }).toContain('one');
    const second = workload('server-2', { labels: { app: 'server' }, serviceAccount: 'server', addresses: ['10.9.0.99'] });
    await pair.apply({ ...base, workloads: [...base.workloads, second] });
    child.stdin.write('two');
    await expect.poll(() => received, { timeout: 5000 }).toContain('two');
    await pair.apply(base);
    child.kill('SIGKILL');
  });

  it('follow a rotated certificate without a restart', async () => {
    const serial = async () => {
      const { certificateChainPem, privateKeyPem } = await issueWorkloadCertificate(authority, {
        spiffeId: spiffeIdentity('cluster.local', client),
        now: new Date(),
        lifetimeMs: 3_600_000,
      });
      const file = join(pair.client.directory, 'own.pem');
      writeFileSync(file, certificateChainPem + privateKeyPem);
      const script = `openssl s_client -connect 10.9.0.3:8080 -cert ${file} -key ${file} -alpn istio </dev/null 2>/dev/null | openssl x509 -noout -serial`;
      return (await pair.client.run(['sh', '-c', script], { user: proxyUser })).stdout.trim();
    };
    const before = await serial();
    expect(before).toMatch(/^serial=/);
    const files = proxyConfiguration(base, server, iptables, { directory: pair.server.configDirectory });
    expect(await pair.server.configure({ ...files, ...(await identityOf(server)) })).toEqual(['sds-identity.json']);
    expect(await serial()).not.toBe(before);
    expect((await get(pair.client, 'http://server/', ...byName)).status).toBe(200);
    await pair.apply(base);
  });

  it('change from STRICT to PERMISSIVE and DISABLE and back', async () => {
    const plain = () => pair.client.run(['curl', '-s', '-m', '3', 'http://10.9.0.3:8080/'], { user: proxyUser });
    await pair.apply({ ...base, peerAuthentications: [peerAuthentication('PERMISSIVE')] });
    expect((await plain()).code).toBe(0);
    expect((await seen(pair.client, 'http://server/', ...byName)).headers['x-forwarded-client-cert']).toContain('sa/client');
    expect(await say(pair.client, '10.9.0.3', 9999, 'unknown port', proxyUser)).toMatch(/127\.0\.0/);
    await pair.apply({ ...base, peerAuthentications: [peerAuthentication('DISABLE')] });
    expect((await seen(pair.client, 'http://server/', ...byName)).headers['x-forwarded-client-cert']).toBeUndefined();
    await pair.apply(base);
    expect((await plain()).code).not.toBe(0);
    expect((await get(pair.client, 'http://server/', ...byName)).status).toBe(200);
  });

  it('report a refused update and go on', async () => {
    const files = {
      ...proxyConfiguration(base, server, iptables, { directory: pair.server.configDirectory }),
      ...(await identityOf(server)),
    };
    const broken = {
      ...files,
      'lds.json': (files['lds.json'] ?? '').replaceAll('0.0.0.0', 'nonsense').replace(/"version_info": "\w+"/, '"version_info": "broken"'),
    };
    await expect(pair.server.configure(broken)).rejects.toThrow('the proxy refused lds.json');
    expect((await get(pair.client, 'http://server/', ...byName)).status).toBe(200);
    await pair.apply(base);
    expect(await pair.server.status()).toEqual({ kind: 'ready' });
  });
});

describe('a proxy at the addresses of an application whose bind was rewritten', () => {
  let pair: Pair;
  beforeAll(async () => {
    pair = await startPair(bind);
  });
  afterAll(async () => {
    await pair.close();
  });

  it('carries HTTP and TCP to loopback, for both families', async () => {
    const answer = await seen(pair.client, 'http://server/', ...byName);
    expect(answer.remote).toBe('127.0.0.1');
    expect(answer.headers['x-forwarded-client-cert']).toContain('sa/client');
    expect(await say(pair.client, '10.96.0.10', 5432, 'select 1')).toMatch(/127\.0\.0/);
    const refused = await pair.client.run(['curl', '-s', '-g', '-m', '3', 'http://[fd00:9::3]:8080/'], { user: proxyUser });
    expect([52, 56]).toContain(refused.code);
    expect(await pair.server.logLine(/filter_chain_not_found/)).toContain('[fd00:9::3]:8080');
  });

  it('carries the calls of a pod to itself', async () => {
    await callsItself(pair.server);
  });

  it('has no way in at the capture port', async () => {
    expect((await pair.client.run(['curl', '-s', '-m', '3', 'http://10.9.0.3:15006/'], { user: proxyUser })).code).not.toBe(0);
  });
});

/**
 * TPROXY gives the proxy what sk_lookup gives it: an accepted socket whose own address is the one that the client dialled, and no translation to ask
 * for. It needs a transparent listener, which is the only difference to the real configuration.
 */
describe('a proxy whose accepted sockets keep the dialled address', () => {
  let pair: Pair;
  beforeAll(async () => {
    const edit = (files: ProxyFiles): ProxyFiles => ({
      ...files,
      'lds.json': (files['lds.json'] ?? '').replace('"name": "virtualInbound",', '"name": "virtualInbound", "transparent": true,'),
    });
    pair = await startPair(skLookup, { edit, user: 0 });
    await pair.server.must('iptables -w -t mangle -A PREROUTING -i eth0 -p tcp -j TPROXY --on-port 15006 --tproxy-mark 1337');
    await pair.server.must('ip rule add fwmark 1337 lookup 133 && ip route add local default dev lo table 133');
  });
  afterAll(async () => {
    await pair.close();
  });

  it('carries HTTP and TCP to the application', async () => {
    const answer = await seen(pair.client, 'http://server/', ...byName);
    expect(answer.remote).toMatch(/^(::ffff:)?127\.0\.0\.6$/);
    expect(answer.headers['x-forwarded-client-cert']).toContain('sa/client');
    expect(await say(pair.client, '10.96.0.10', 5432, 'select 1')).toMatch(/127\.0\.0/);
  });

  it('carries a port that nobody declared, and refuses plaintext where it is STRICT', async () => {
    expect(await say(pair.client, '10.9.0.3', 9999, 'unknown port', proxyUser)).toBe('');
    await pair.apply({ ...base, peerAuthentications: [peerAuthentication('PERMISSIVE')] });
    expect(await say(pair.client, '10.9.0.3', 9999, 'unknown port', proxyUser)).toMatch(/127\.0\.0/);
    await pair.apply(base);
  });
});
