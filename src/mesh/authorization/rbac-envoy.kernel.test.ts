import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect as connectTcp } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { authorizationPolicy as policy } from '../../../test/support/authorization-policy.ts';
import type { RunningEnvoy } from '../../../test/support/envoy.ts';
import { startEnvoy } from '../../../test/support/envoy.ts';
import type { AuthorizationPolicyManifest } from '../../manifests/types.ts';
import type { CertificateAuthority } from '../certificates/authority.ts';
import { createAuthority } from '../certificates/authority.ts';
import type { WorkloadCertificate } from '../certificates/workload.ts';
import { issueWorkloadCertificate } from '../certificates/workload.ts';
import { httpAuthorizationFilters, networkAuthorizationFilters } from './filters.ts';

/** A whole number of policies, each behind a listener of its own, against the Envoy that the lab runs. */
type Policies = readonly AuthorizationPolicyManifest[];
interface HttpAsk {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
}
type HttpRow = readonly [name: string, policies: Policies, ask: HttpAsk, status: 200 | 403];

const allow = (rule: Parameters<typeof policy>[1][number]) => [policy('ALLOW', [rule])];
const deny = (rule: Parameters<typeof policy>[1][number]) => [policy('DENY', [rule])];

const http: HttpRow[] = [
  ['no policy', [], {}, 200],
  ['ALLOW without rules', [policy('ALLOW', [])], {}, 403],
  ['ALLOW with an empty rule', [policy('ALLOW', [{}])], {}, 200],
  ['DENY with an empty rule', [policy('DENY', [{}])], {}, 403],
  ['DENY without rules', [policy('DENY', [])], {}, 200],
  ['DENY over ALLOW', [policy('ALLOW', [{}]), policy('DENY', [{ to: [{ methods: ['POST'] }] }], { name: 'b' })], { method: 'POST' }, 403],
  ['AUDIT', [policy('AUDIT', [{}])], {}, 200],
  ['a dry-run DENY', [policy('DENY', [{}], { annotations: { 'istio.io/dry-run': 'true' } })], {}, 200],
  ['a dry-run ALLOW', [policy('ALLOW', [], { annotations: { 'istio.io/dry-run': 'true' } })], {}, 200],
  ['methods: exact', allow({ to: [{ methods: ['GET'] }] }), {}, 200],
  ['methods: another', allow({ to: [{ methods: ['GET'] }] }), { method: 'POST' }, 403],
  ['methods: prefix', allow({ to: [{ methods: ['P*'] }] }), { method: 'PATCH' }, 200],
  ['methods: presence', allow({ to: [{ methods: ['*'] }] }), {}, 200],
  ['notMethods', allow({ to: [{ notMethods: ['GET', 'HEAD'] }] }), {}, 403],
  ['paths: exact with a query', allow({ to: [{ paths: ['/get'] }] }), { path: '/get?a=/b' }, 200],
  ['paths: exact is not prefix', allow({ to: [{ paths: ['/get'] }] }), { path: '/get/' }, 403],
  ['paths: suffix', allow({ to: [{ paths: ['*/reviews'] }] }), { path: '/a/reviews' }, 200],
  ['paths: suffix in the query', allow({ to: [{ paths: ['*/reviews'] }] }), { path: '/a?b=/reviews' }, 403],
  ['paths: presence', allow({ to: [{ paths: ['*'] }] }), {}, 200],
  ['paths: {*}', allow({ to: [{ paths: ['/users/{*}/keys'] }] }), { path: '/users/7/keys?x=1' }, 200],
  ['paths: {*} and two segments', allow({ to: [{ paths: ['/users/{*}/keys'] }] }), { path: '/users/7/8/keys' }, 403],
  ['paths: {**}', allow({ to: [{ paths: ['/users/{**}'] }] }), { path: '/users/7/8/keys' }, 200],
  ['paths: {**} before a literal', allow({ to: [{ paths: ['/users/{**}/keys'] }] }), { path: '/users/7/8/keys' }, 200],
  ['paths: {*} and {**}', allow({ to: [{ paths: ['/{*}/keys/{**}'] }] }), { path: '/me/keys/1/2' }, 200],
  [
    'paths: every literal a template may have',
    allow({ to: [{ paths: ["/-._~!$&'()+,;:@=%20/{*}"] }] }),
    { path: "/-._~!$&'()+,;:@=%20/x" },
    200,
  ],
  ['notPaths: a template', allow({ to: [{ notPaths: ['/{*}/private'] }] }), { path: '/me/private' }, 403],
  ['hosts: case', allow({ to: [{ hosts: ['Shop.Example:*'] }] }), { headers: { host: 'sHOP.example:81' } }, 200],
  ['hosts: a port that is not named', allow({ to: [{ hosts: ['shop.example'] }] }), { headers: { host: 'shop.example:81' } }, 403],
  ['hosts: presence', allow({ to: [{ hosts: ['*'] }] }), {}, 200],
  ['notHosts: suffix', allow({ to: [{ notHosts: ['*.Example'] }] }), { headers: { host: 'shop.example' } }, 403],
  ['ports: another', allow({ to: [{ ports: ['1'] }] }), {}, 403],
  ['notPorts', allow({ to: [{ notPorts: ['1'] }] }), {}, 200],
  ['ipBlocks', allow({ from: [{ ipBlocks: ['127.0.0.0/8'] }] }), {}, 200],
  ['notIpBlocks', allow({ from: [{ notIpBlocks: ['127.0.0.1', '::1'] }] }), {}, 403],
  [
    'remoteIpBlocks from X-Forwarded-For',
    allow({ from: [{ remoteIpBlocks: ['192.0.2.0/24'] }] }),
    { headers: { 'x-forwarded-for': '192.0.2.9' } },
    200,
  ],
  [
    'ipBlocks ignores X-Forwarded-For',
    allow({ from: [{ ipBlocks: ['192.0.2.0/24'] }] }),
    { headers: { 'x-forwarded-for': '192.0.2.9' } },
    403,
  ],
  ['destination.ip', allow({ when: [{ key: 'destination.ip', values: ['127.0.0.1'] }] }), {}, 200],
  ['request.headers: exact', allow({ when: [{ key: 'request.headers[X-User]', values: ['ann'] }] }), { headers: { 'x-user': 'ann' } }, 200],
  ['request.headers: missing', allow({ when: [{ key: 'request.headers[x-user]', values: ['*'] }] }), {}, 403],
  ['request.headers: notValues without the header', allow({ when: [{ key: 'request.headers[x-user]', notValues: ['ann'] }] }), {}, 200],
  ['requestPrincipals', allow({ from: [{ requestPrincipals: ['*'] }] }), {}, 403],
  ['DENY notRequestPrincipals', deny({ from: [{ notRequestPrincipals: ['*'] }] }), {}, 403],
  ['principals in plain text', allow({ from: [{ principals: ['*'] }] }), {}, 403],
  ['notPrincipals in plain text', allow({ from: [{ notPrincipals: ['cluster.local/ns/demo/sa/sleep'] }] }), {}, 200],
];

/** The client is demo/sleep with a certificate, `anonymous` without one. */
const mutual: (readonly [name: string, policies: Policies, client: 'sleep' | 'anonymous', status: 200 | 403])[] = [
  ['principals: exact', allow({ from: [{ principals: ['cluster.local/ns/demo/sa/sleep'] }] }), 'sleep', 200],
  ['principals: another', allow({ from: [{ principals: ['cluster.local/ns/demo/sa/slee'] }] }), 'sleep', 403],
  ['principals: prefix', allow({ from: [{ principals: ['cluster.local/ns/demo/*'] }] }), 'sleep', 200],
  ['principals: suffix', allow({ from: [{ principals: ['*/sa/sleep'] }] }), 'sleep', 200],
  ['principals: suffix of another', allow({ from: [{ principals: ['*/sa/other'] }] }), 'sleep', 403],
  ['principals: presence', allow({ from: [{ principals: ['*'] }] }), 'sleep', 200],
  ['principals: presence without a certificate', allow({ from: [{ principals: ['*'] }] }), 'anonymous', 403],
  ['notPrincipals', allow({ from: [{ notPrincipals: ['cluster.local/ns/demo/sa/sleep'] }] }), 'sleep', 403],
  ['DENY notPrincipals: presence', deny({ from: [{ notPrincipals: ['*'] }] }), 'anonymous', 403],
  ['namespaces', allow({ from: [{ namespaces: ['de*'] }] }), 'sleep', 200],
  ['namespaces: another', allow({ from: [{ namespaces: ['dem'] }] }), 'sleep', 403],
  ['notNamespaces without a certificate', deny({ from: [{ notNamespaces: ['demo'] }] }), 'anonymous', 403],
  ['serviceAccounts', allow({ from: [{ serviceAccounts: ['sleep'] }] }), 'sleep', 200],
  ['serviceAccounts: another namespace', allow({ from: [{ serviceAccounts: ['other/sleep'] }] }), 'sleep', 403],
  ['connection.sni', allow({ when: [{ key: 'connection.sni', values: ['*.demo.svc'] }] }), 'sleep', 200],
];

const tcp: (readonly [name: string, policies: Policies, answer: 'echo' | ''])[] = [
  ['no policy', [], 'echo'],
  ['ALLOW by address', allow({ from: [{ ipBlocks: ['127.0.0.1'] }] }), 'echo'],
  ['ALLOW by another address', allow({ from: [{ ipBlocks: ['127.0.0.2'] }] }), ''],
  ['ALLOW with methods', allow({ to: [{ methods: ['GET'] }] }), ''],
  ['DENY with methods', deny({ to: [{ methods: ['POST'] }] }), ''],
  ['DENY with methods and another port', deny({ to: [{ methods: ['POST'], ports: ['1'] }] }), 'echo'],
  ['AUDIT', [policy('AUDIT', [{}])], 'echo'],
];

const options = { trustDomain: 'cluster.local' };
const day = 86_400_000;
let envoy: RunningEnvoy;
let authority: CertificateAuthority;
let client: WorkloadCertificate;

beforeAll(async () => {
  const now = new Date();
  authority = await createAuthority({ trustDomain: 'cluster.local', now, lifetimeMs: day });
  client = await issueWorkloadCertificate(authority, { spiffeId: 'spiffe://cluster.local/ns/demo/sa/sleep', now, lifetimeMs: day });
  const server = await issueWorkloadCertificate(authority, { spiffeId: 'spiffe://cluster.local/ns/demo/sa/httpbin', now, lifetimeMs: day });
  envoy = await startEnvoy({
    listeners: [
      ...http.map(([name, policies]) => httpListener(`http ${name}`, policies, null)),
      ...mutual.map(([name, policies]) => httpListener(`mutual ${name}`, policies, server)),
      ...tcp.map(([name, policies]) => listener(`tcp ${name}`, [...networkAuthorizationFilters(policies, options), echo], null)),
    ],
  });
});
afterAll(() => envoy?.close());

const echo = { name: 'echo', typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo' } };

// Envoy learns the server name here and not from the TLS transport socket.
const tlsInspector = {
  name: 'tls_inspector',
  typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector' },
};

function httpListener(name: string, policies: Policies, server: WorkloadCertificate | null): object {
  const manager = {
    '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
    stat_prefix: 'test',
    use_remote_address: false,
    route_config: {
      virtual_hosts: [
        {
          name: 'all',
          domains: ['*'],
          routes: [{ match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: 'reached' } } }],
        },
      ],
    },
    http_filters: [
      ...httpAuthorizationFilters(policies, options),
      { name: 'router', typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' } },
    ],
  };
  return listener(name, [{ name: 'http', typed_config: manager }], server);
}

function listener(name: string, filters: readonly object[], server: WorkloadCertificate | null): object {
  const tls = server && {
    '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext',
    common_tls_context: {
      tls_certificates: [
        { certificate_chain: { inline_string: server.certificateChainPem }, private_key: { inline_string: server.privateKeyPem } },
      ],
      validation_context: { trusted_ca: { inline_string: authority.certificatePem } },
    },
  };
  return {
    name,
    address: { socket_address: { address: '127.0.0.1', port_value: 0 } },
    ...(tls === null ? {} : { listener_filters: [tlsInspector] }),
    filter_chains: [{ filters, ...(tls === null ? {} : { transport_socket: { name: 'tls', typed_config: tls } }) }],
  };
}

type Answer = { readonly status: number; readonly body: string };

function ask(
  name: string,
  { method = 'GET', path = '/get', headers = {} }: HttpAsk,
  identity: 'plain' | 'sleep' | 'anonymous',
): Promise<Answer> {
  const target = { host: '127.0.0.1', port: envoy.port(name), method, path, headers, agent: false, timeout: 5000 };
  const certificate = identity === 'sleep' ? { key: client.privateKeyPem, cert: client.certificateChainPem } : {};
  return new Promise((resolve, reject) => {
    const request =
      identity === 'plain'
        ? httpRequest(target)
        : httpsRequest({
            ...target,
            ...certificate,
            ca: authority.certificatePem,
            servername: 'httpbin.demo.svc',
            checkServerIdentity: () => undefined,
          });
    request.on('error', reject);
    request.on('response', (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    });
    request.end();
  });
}

function answer(status: 200 | 403): Answer {
  return { status, body: status === 200 ? 'reached' : 'RBAC: access denied' };
}

describe('Envoy decides as the policies say: HTTP', () => {
  it.each(http)('%s', async (name, _policies, question, status) => {
    expect(await ask(`http ${name}`, question, 'plain')).toEqual(answer(status));
  });
});

describe('Envoy decides as the policies say: mutual TLS', () => {
  it.each(mutual)('%s', async (name, _policies, identity, status) => {
    expect(await ask(`mutual ${name}`, {}, identity)).toEqual(answer(status));
  });
});

describe('Envoy decides as the policies say: TCP', () => {
  it.each(tcp)('%s', async (name, _policies, expected) => {
    const received = await new Promise<string>((resolve, reject) => {
      let text = '';
      const socket = connectTcp(envoy.port(`tcp ${name}`), '127.0.0.1', () => socket.write('echo'));
      socket.setEncoding('utf8').setTimeout(5000, () => socket.destroy(new Error('no answer')));
      socket.on('data', (chunk: string) => {
        text += chunk;
        socket.end();
      });
      socket.on('close', () => resolve(text)).on('error', reject);
    });
    expect(received).toBe(expected);
  });
});
