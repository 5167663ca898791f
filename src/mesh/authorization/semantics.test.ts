import { describe, expect, it } from 'vitest';
import { authorizationPolicy as policy } from '../../../test/support/authorization-policy.ts';
import type { RbacRequest } from '../../../test/support/rbac-evaluator.ts';
import { evaluateRbac } from '../../../test/support/rbac-evaluator.ts';
import type { AuthorizationPolicyManifest } from '../../manifests/types.ts';
import { httpAuthorizationFilters, networkAuthorizationFilters } from './filters.ts';
import { policiesForWorkload } from './select.ts';

type Http = NonNullable<RbacRequest['http']>;
type RequestPart = Partial<Omit<RbacRequest, 'http'>> & { readonly http?: Partial<Http> };

const workload = { namespace: 'demo', labels: { app: 'httpbin', version: 'v1' } };

/** sleep of the demo namespace asks httpbin for GET /get. */
function request(part: RequestPart): RbacRequest {
  return {
    peer: ['spiffe://cluster.local/ns/demo/sa/sleep'],
    source: '10.1.0.7',
    remote: '10.1.0.7',
    destination: '10.1.0.9',
    port: 8000,
    sni: 'outbound_.8000_._.httpbin.demo.svc.cluster.local',
    ...part,
    http: { method: 'GET', path: '/get', host: 'httpbin.demo:8000', headers: {}, ...part.http },
  };
}

function decide(policies: readonly AuthorizationPolicyManifest[], transport: 'http' | 'tcp', part: RequestPart) {
  const selected = policiesForWorkload({ rootNamespace: 'istio-system', authorizationPolicies: policies }, workload);
  const options = { trustDomain: 'cluster.local' };
  return transport === 'http'
    ? evaluateRbac(httpAuthorizationFilters(selected, options), request(part))
    : evaluateRbac(networkAuthorizationFilters(selected, options), { ...request(part), http: null });
}

type Row = readonly [name: string, policies: readonly AuthorizationPolicyManifest[], request: RequestPart, expected: 'allow' | 'deny'];

const from = (source: NonNullable<Parameters<typeof policy>[1][number]['from']>[number]) => [policy('ALLOW', [{ from: [source] }])];
const to = (operation: NonNullable<Parameters<typeof policy>[1][number]['to']>[number]) => [policy('ALLOW', [{ to: [operation] }])];
const when = (...conditions: NonNullable<Parameters<typeof policy>[1][number]['when']>) => [policy('ALLOW', [{ when: conditions }])];
const method = (name: string): RequestPart => ({ http: { method: name } });
const path = (value: string): RequestPart => ({ http: { path: value } });
const host = (value: string): RequestPart => ({ http: { host: value } });
const peer = (...sans: string[]): RequestPart => ({ peer: sans.map((san) => `spiffe://${san}`) });
const plainText: RequestPart = { peer: null };
const sleep = 'cluster.local/ns/demo/sa/sleep';
const denyAll = policy('DENY', [{}], { name: 'deny-all' });
const allowAll = policy('ALLOW', [{}], { name: 'allow-all' });

const precedence: Row[] = [
  ['no policy allows everything', [], {}, 'allow'],
  ['an ALLOW policy without rules denies everything', [policy('ALLOW', [])], {}, 'deny'],
  ['an ALLOW policy with an empty rule allows everything', [allowAll], {}, 'allow'],
  ['an ALLOW policy with an empty rule allows plain text too', [allowAll], plainText, 'allow'],
  ['a DENY policy with an empty rule denies everything', [denyAll], {}, 'deny'],
  ['a DENY policy without rules denies nothing', [policy('DENY', [])], {}, 'allow'],
  ['a DENY policy alone does not turn default-deny on', [policy('DENY', [{ to: [{ methods: ['POST'] }] }])], {}, 'allow'],
  ['DENY wins over ALLOW', [allowAll, denyAll], {}, 'deny'],
  ['DENY wins over ALLOW in any order', [denyAll, allowAll], {}, 'deny'],
  ['what no DENY matches is left to ALLOW', [policy('DENY', [{ to: [{ methods: ['POST'] }] }]), allowAll], {}, 'allow'],
  ['one matching ALLOW policy of several is enough', [policy('ALLOW', []), policy('ALLOW', [{}], { name: 'b' })], {}, 'allow'],
  [
    'one matching rule of several is enough',
    [policy('ALLOW', [{ to: [{ methods: ['PUT'] }] }, { to: [{ methods: ['GET'] }] }])],
    {},
    'allow',
  ],
  ['AUDIT alone enforces nothing', [policy('AUDIT', [{}])], {}, 'allow'],
  ['AUDIT that matches nothing enforces nothing', [policy('AUDIT', [])], {}, 'allow'],
  ['AUDIT does not lift a DENY', [policy('AUDIT', [{}]), denyAll], {}, 'deny'],
  ['AUDIT does not count as an ALLOW', [policy('AUDIT', [{}]), policy('ALLOW', [], { name: 'none' })], {}, 'deny'],
  ['a dry-run DENY denies nothing', [policy('DENY', [{}], { annotations: { 'istio.io/dry-run': 'true' } })], {}, 'allow'],
  ['a dry-run ALLOW does not turn default-deny on', [policy('ALLOW', [], { annotations: { 'istio.io/dry-run': 'true' } })], {}, 'allow'],
  ['a dry-run of false is enforced', [policy('DENY', [{}], { annotations: { 'istio.io/dry-run': 'false' } })], {}, 'deny'],
];

const selection: Row[] = [
  ['a policy without selector applies to its namespace', [policy('DENY', [{}])], {}, 'deny'],
  ['an empty selector applies to the namespace', [policy('DENY', [{}], { selector: {} })], {}, 'deny'],
  ['a selector of all labels applies', [policy('DENY', [{}], { selector: { app: 'httpbin', version: 'v1' } })], {}, 'deny'],
  ['a selector with another value does not apply', [policy('DENY', [{}], { selector: { app: 'httpbin', version: 'v2' } })], {}, 'allow'],
  ['an ALLOW for another workload does not turn default-deny on', [policy('ALLOW', [], { selector: { app: 'db' } })], {}, 'allow'],
  ['a selector of a label that is not there does not apply', [policy('DENY', [{}], { selector: { constructor: 'x' } })], {}, 'allow'],
  ['a policy of another namespace does not apply', [policy('DENY', [{}], { namespace: 'other' })], {}, 'allow'],
  ['a policy of the root namespace applies everywhere', [policy('DENY', [{}], { namespace: 'istio-system' })], {}, 'deny'],
  [
    'a root policy with a selector applies to matching workloads of every namespace',
    [policy('DENY', [{}], { namespace: 'istio-system', selector: { app: 'httpbin' } })],
    {},
    'deny',
  ],
  [
    'a root policy whose selector does not match does not apply',
    [policy('DENY', [{}], { namespace: 'istio-system', selector: { app: 'db' } })],
    {},
    'allow',
  ],
  ['a root ALLOW and a namespace ALLOW add up', [policy('ALLOW', [], { namespace: 'istio-system' }), allowAll], {}, 'allow'],
];

const sources: Row[] = [
  ['principals: exact', from({ principals: [sleep] }), {}, 'allow'],
  ['principals: another account', from({ principals: [sleep] }), peer('cluster.local/ns/demo/sa/sleepy'), 'deny'],
  ['principals: another trust domain', from({ principals: [sleep] }), peer('evil.local/ns/demo/sa/sleep'), 'deny'],
  ['principals: plain text never matches', from({ principals: [sleep] }), plainText, 'deny'],
  ['principals: prefix', from({ principals: ['cluster.local/ns/demo/*'] }), {}, 'allow'],
  ['principals: prefix of another namespace', from({ principals: ['cluster.local/ns/dem/*'] }), {}, 'deny'],
  ['principals: suffix', from({ principals: ['*/sa/sleep'] }), {}, 'allow'],
  ['principals: suffix has to end there', from({ principals: ['*/sa/slee'] }), {}, 'deny'],
  [
    'principals: a dot in a suffix is a dot',
    from({ principals: ['*.local/ns/demo/sa/sleep'] }),
    peer('clusterXlocal/ns/demo/sa/sleep'),
    'deny',
  ],
  ['principals: a wildcard in the middle is an ordinary character', from({ principals: ['cluster.local/ns/*/sa/sleep'] }), {}, 'deny'],
  ['principals: presence', from({ principals: ['*'] }), {}, 'allow'],
  ['principals: presence takes any identity', from({ principals: ['*'] }), { peer: ['urn:example:legacy'] }, 'allow'],
  ['principals: presence wants a certificate', from({ principals: ['*'] }), plainText, 'deny'],
  ['principals: presence is not satisfied by TLS without a client certificate', from({ principals: ['*'] }), { peer: [] }, 'deny'],
  ['principals: values are ORed', from({ principals: ['cluster.local/ns/demo/sa/other', sleep] }), {}, 'allow'],
  ['notPrincipals: the one excluded', from({ notPrincipals: [sleep] }), {}, 'deny'],
  ['notPrincipals: any other', from({ notPrincipals: [sleep] }), peer('cluster.local/ns/demo/sa/other'), 'allow'],
  ['notPrincipals: no identity is not the one excluded', from({ notPrincipals: [sleep] }), plainText, 'allow'],
  ['DENY notPrincipals: plain text is denied', [policy('DENY', [{ from: [{ notPrincipals: [sleep] }] }])], plainText, 'deny'],
  ['DENY notPrincipals *: mutual TLS passes', [policy('DENY', [{ from: [{ notPrincipals: ['*'] }] }])], {}, 'allow'],
  ['namespaces: exact', from({ namespaces: ['demo'] }), {}, 'allow'],
  ['namespaces: not a prefix of another', from({ namespaces: ['dem'] }), {}, 'deny'],
  ['namespaces: prefix', from({ namespaces: ['de*'] }), {}, 'allow'],
  ['namespaces: suffix', from({ namespaces: ['*mo'] }), {}, 'allow'],
  ['namespaces: any trust domain', from({ namespaces: ['demo'] }), peer('other.example/ns/demo/sa/x'), 'allow'],
  ['notNamespaces: the one excluded', from({ notNamespaces: ['demo'] }), {}, 'deny'],
  ['notNamespaces: another', from({ notNamespaces: ['prod'] }), {}, 'allow'],
  [
    'DENY notNamespaces: from outside',
    [policy('DENY', [{ from: [{ notNamespaces: ['demo'] }] }])],
    peer('cluster.local/ns/x/sa/y'),
    'deny',
  ],
  ['serviceAccounts: a bare name is of the policy’s namespace', from({ serviceAccounts: ['sleep'] }), {}, 'allow'],
  ['serviceAccounts: the same name elsewhere', from({ serviceAccounts: ['sleep'] }), peer('cluster.local/ns/other/sa/sleep'), 'deny'],
  ['serviceAccounts: with a namespace', from({ serviceAccounts: ['other/sleep'] }), peer('cluster.local/ns/other/sa/sleep'), 'allow'],
  ['serviceAccounts: not a prefix of another', from({ serviceAccounts: ['sleep'] }), peer('cluster.local/ns/demo/sa/sleep-2'), 'deny'],
  ['notServiceAccounts: the one excluded', from({ notServiceAccounts: ['sleep'] }), {}, 'deny'],
  ['ipBlocks: an address', from({ ipBlocks: ['10.1.0.7'] }), {}, 'allow'],
  ['ipBlocks: a range', from({ ipBlocks: ['10.1.0.0/16'] }), {}, 'allow'],
  ['ipBlocks: outside the range', from({ ipBlocks: ['10.2.0.0/16'] }), {}, 'deny'],
  ['ipBlocks: the peer counts, not the original client', from({ ipBlocks: ['192.0.2.1'] }), { remote: '192.0.2.1' }, 'deny'],
  ['ipBlocks: IPv6', from({ ipBlocks: ['fd00:1::/32'] }), { source: 'fd00:1::7' }, 'allow'],
  ['ipBlocks: IPv4 ranges do not hold IPv6 addresses', from({ ipBlocks: ['0.0.0.0/0'] }), { source: 'fd00:1::7' }, 'deny'],
  ['notIpBlocks: inside', from({ notIpBlocks: ['10.1.0.0/16'] }), {}, 'deny'],
  ['notIpBlocks: outside', from({ notIpBlocks: ['10.2.0.0/16', '10.3.0.0/16'] }), {}, 'allow'],
  ['remoteIpBlocks: the original client counts', from({ remoteIpBlocks: ['192.0.2.0/24'] }), { remote: '192.0.2.1' }, 'allow'],
  ['notRemoteIpBlocks: the one excluded', from({ notRemoteIpBlocks: ['192.0.2.0/24'] }), { remote: '192.0.2.1' }, 'deny'],
  ['requestPrincipals: without tokens nothing matches', from({ requestPrincipals: ['*'] }), {}, 'deny'],
  [
    'DENY notRequestPrincipals *: without tokens everything is denied',
    [policy('DENY', [{ from: [{ notRequestPrincipals: ['*'] }] }])],
    {},
    'deny',
  ],
  ['fields of one source are ANDed', from({ principals: [sleep], namespaces: ['prod'] }), {}, 'deny'],
  ['a value and its not-form are ANDed', from({ namespaces: ['*'], notPrincipals: [sleep] }), {}, 'deny'],
  ['sources are ORed', [policy('ALLOW', [{ from: [{ namespaces: ['prod'] }, { principals: [sleep] }] }])], {}, 'allow'],
];

const operations: Row[] = [
  ['methods: exact', to({ methods: ['GET'] }), {}, 'allow'],
  ['methods: another', to({ methods: ['GET'] }), method('POST'), 'deny'],
  ['methods: case matters', to({ methods: ['get'] }), {}, 'deny'],
  ['methods: prefix', to({ methods: ['P*'] }), method('PATCH'), 'allow'],
  ['methods: suffix', to({ methods: ['*ST'] }), method('POST'), 'allow'],
  ['methods: presence', to({ methods: ['*'] }), method('PURGE'), 'allow'],
  ['notMethods: the one excluded', to({ notMethods: ['GET', 'HEAD'] }), {}, 'deny'],
  ['notMethods: another', to({ notMethods: ['POST'] }), {}, 'allow'],
  ['paths: exact', to({ paths: ['/get'] }), {}, 'allow'],
  ['paths: the query does not count', to({ paths: ['/get'] }), path('/get?admin=1'), 'allow'],
  ['paths: exact is not prefix', to({ paths: ['/get'] }), path('/get/more'), 'deny'],
  ['paths: prefix', to({ paths: ['/status/*'] }), path('/status/200'), 'allow'],
  ['paths: prefix does not match without its slash', to({ paths: ['/status/*'] }), path('/status'), 'deny'],
  ['paths: suffix', to({ paths: ['*/reviews'] }), path('/books/reviews'), 'allow'],
  ['paths: suffix is not found in the query', to({ paths: ['*/reviews'] }), path('/admin?x=/reviews'), 'deny'],
  ['paths: presence', to({ paths: ['*'] }), path('/anything'), 'allow'],
  ['notPaths: the one excluded', to({ notPaths: ['/admin*'] }), path('/admin/keys'), 'deny'],
  ['notPaths: another', to({ notPaths: ['/admin*'] }), {}, 'allow'],
  ['paths: {*} is one segment', to({ paths: ['/users/{*}/keys'] }), path('/users/7/keys'), 'allow'],
  ['paths: {*} is not two segments', to({ paths: ['/users/{*}/keys'] }), path('/users/7/8/keys'), 'deny'],
  ['paths: {**} is any number of segments', to({ paths: ['/users/{**}'] }), path('/users/7/8/keys'), 'allow'],
  ['paths: {**} in front of a literal', to({ paths: ['/users/{**}/keys'] }), path('/users/7/8/keys'), 'allow'],
  ['paths: {*} and {**} together', to({ paths: ['/{*}/keys/{**}'] }), path('/me/keys/1/2?x'), 'allow'],
  ['notPaths: a template', to({ notPaths: ['/{*}/private'] }), path('/me/private'), 'deny'],
  ['hosts: exact, with the port as the client sent it', to({ hosts: ['httpbin.demo:8000'] }), {}, 'allow'],
  ['hosts: a name does not match the name with a port', to({ hosts: ['httpbin.demo'] }), {}, 'deny'],
  ['hosts: case does not matter', to({ hosts: ['HTTPBIN.demo:8000'] }), host('httpbin.DEMO:8000'), 'allow'],
  ['hosts: any port by prefix', to({ hosts: ['httpbin.demo:*'] }), {}, 'allow'],
  ['hosts: suffix, without regard to case', to({ hosts: ['*.Example.com'] }), host('a.example.COM'), 'allow'],
  ['hosts: suffix does not match the bare domain', to({ hosts: ['*.example.com'] }), host('example.com'), 'deny'],
  ['hosts: presence', to({ hosts: ['*'] }), {}, 'allow'],
  ['notHosts: the one excluded', to({ notHosts: ['httpbin.demo:*'] }), {}, 'deny'],
  ['ports: exact', to({ ports: ['8000'] }), {}, 'allow'],
  ['ports: values are ORed', to({ ports: ['80', '8000'] }), {}, 'allow'],
  ['ports: another', to({ ports: ['80'] }), {}, 'deny'],
  ['notPorts: the one excluded', to({ notPorts: ['8000'] }), {}, 'deny'],
  ['fields of one operation are ANDed', to({ methods: ['GET'], paths: ['/post'] }), {}, 'deny'],
  ['operations are ORed', [policy('ALLOW', [{ to: [{ methods: ['POST'] }, { paths: ['/get'] }] }])], {}, 'allow'],
];

const conditions: Row[] = [
  [
    'request.headers: exact',
    when({ key: 'request.headers[x-user]', values: ['ann'] }),
    { http: { headers: { 'x-user': 'ann' } } },
    'allow',
  ],
  [
    'request.headers: the name has no case',
    when({ key: 'request.headers[X-User]', values: ['an*'] }),
    { http: { headers: { 'x-user': 'ann' } } },
    'allow',
  ],
  [
    'request.headers: another value',
    when({ key: 'request.headers[x-user]', values: ['ann'] }),
    { http: { headers: { 'x-user': 'bob' } } },
    'deny',
  ],
  ['request.headers: presence', when({ key: 'request.headers[x-user]', values: ['*'] }), {}, 'deny'],
  ['request.headers: notValues hold without the header', when({ key: 'request.headers[x-user]', notValues: ['ann'] }), {}, 'allow'],
  [
    'request.headers: notValues',
    when({ key: 'request.headers[x-user]', notValues: ['*n'] }),
    { http: { headers: { 'x-user': 'ann' } } },
    'deny',
  ],
  ['source.ip', when({ key: 'source.ip', values: ['10.1.0.0/24'] }), {}, 'allow'],
  ['source.ip: notValues', when({ key: 'source.ip', notValues: ['10.1.0.0/24'] }), {}, 'deny'],
  ['remote.ip', when({ key: 'remote.ip', values: ['192.0.2.1'] }), { remote: '192.0.2.1' }, 'allow'],
  ['source.namespace', when({ key: 'source.namespace', values: ['demo'] }), {}, 'allow'],
  ['source.namespace: notValues', when({ key: 'source.namespace', notValues: ['demo'] }), {}, 'deny'],
  ['source.principal', when({ key: 'source.principal', values: [sleep] }), {}, 'allow'],
  ['source.principal: plain text', when({ key: 'source.principal', values: ['*'] }), plainText, 'deny'],
  ['source.serviceAccount', when({ key: 'source.serviceAccount', values: ['demo/sleep'] }), {}, 'allow'],
  ['destination.ip', when({ key: 'destination.ip', values: ['10.1.0.9'] }), {}, 'allow'],
  ['destination.ip: notValues', when({ key: 'destination.ip', notValues: ['10.1.0.9'] }), {}, 'deny'],
  ['destination.port', when({ key: 'destination.port', values: ['8000'] }), {}, 'allow'],
  ['destination.port: another', when({ key: 'destination.port', values: ['80'] }), {}, 'deny'],
  ['connection.sni', when({ key: 'connection.sni', values: ['*.httpbin.demo.svc.cluster.local'] }), {}, 'allow'],
  ['connection.sni: no server name is not present', when({ key: 'connection.sni', values: ['*'] }), { sni: '' }, 'deny'],
  ['request.auth.claims: without tokens nothing matches', when({ key: 'request.auth.claims[iss]', values: ['*'] }), {}, 'deny'],
  ['request.auth.claims: nested', when({ key: 'request.auth.claims[a][b]', notValues: ['x'] }), {}, 'allow'],
  ['request.auth.principal: without tokens nothing matches', when({ key: 'request.auth.principal', values: ['*'] }), {}, 'deny'],
  ['conditions are ANDed', when({ key: 'source.namespace', values: ['demo'] }, { key: 'destination.port', values: ['80'] }), {}, 'deny'],
  ['a condition without values constrains nothing', when({ key: 'destination.port' }), {}, 'allow'],
];

const mixed = [
  policy('ALLOW', [
    {
      from: [{ principals: [sleep] }, { namespaces: ['test'] }],
      to: [
        { methods: ['GET'], paths: ['/info*'] },
        { methods: ['POST'], paths: ['/data'] },
      ],
      when: [{ key: 'request.headers[version]', values: ['v1', 'v2'] }],
    },
  ]),
];
const v1 = { headers: { version: 'v1' } };
const combined: Row[] = [
  ['from, to and when together: first source, first operation', mixed, { http: { path: '/info/1', ...v1 } }, 'allow'],
  [
    '… second source, second operation',
    mixed,
    { ...peer('cluster.local/ns/test/sa/a'), http: { method: 'POST', path: '/data', ...v1 } },
    'allow',
  ],
  ['… fields of two operations do not mix', mixed, { http: { method: 'POST', path: '/info', ...v1 } }, 'deny'],
  ['… no source', mixed, { ...peer('cluster.local/ns/prod/sa/a'), http: { path: '/info', ...v1 } }, 'deny'],
  ['… no condition', mixed, { http: { path: '/info' } }, 'deny'],
  ['from without to applies to every operation', from({ principals: [sleep] }), method('DELETE'), 'allow'],
  ['to without from applies to every source', to({ methods: ['GET'] }), plainText, 'allow'],
];

const tcp: Row[] = [
  ['no policy allows everything', [], {}, 'allow'],
  ['ALLOW by principal', from({ principals: [sleep] }), {}, 'allow'],
  ['ALLOW by principal denies another', from({ principals: [sleep] }), peer('cluster.local/ns/demo/sa/other'), 'deny'],
  ['ALLOW by port', to({ ports: ['8000'] }), {}, 'allow'],
  ['ALLOW with an empty rule', [allowAll], {}, 'allow'],
  ['ALLOW without rules', [policy('ALLOW', [])], {}, 'deny'],
  ['ALLOW with methods never matches', to({ methods: ['GET'] }), {}, 'deny'],
  ['ALLOW with methods and a matching port never matches', to({ methods: ['GET'], ports: ['8000'] }), {}, 'deny'],
  ['ALLOW with notPaths never matches', to({ notPaths: ['/admin'] }), {}, 'deny'],
  ['ALLOW with hosts never matches', to({ hosts: ['*'] }), {}, 'deny'],
  ['ALLOW with request principals never matches', from({ notRequestPrincipals: ['x'] }), {}, 'deny'],
  ['ALLOW with a header condition never matches', when({ key: 'request.headers[x]', notValues: ['y'] }), {}, 'deny'],
  [
    'ALLOW drops the whole rule, other operations included',
    [policy('ALLOW', [{ to: [{ methods: ['GET'] }, { ports: ['8000'] }] }])],
    {},
    'deny',
  ],
  ['ALLOW keeps the policy’s other rules', [policy('ALLOW', [{ to: [{ methods: ['GET'] }] }, { to: [{ ports: ['8000'] }] }])], {}, 'allow'],
  ['DENY with methods alone denies everything', [policy('DENY', [{ to: [{ methods: ['POST'] }] }])], {}, 'deny'],
  [
    'DENY with methods and a port keeps the port: same port',
    [policy('DENY', [{ to: [{ methods: ['POST'], ports: ['8000'] }] }])],
    {},
    'deny',
  ],
  [
    'DENY with methods and a port keeps the port: another port',
    [policy('DENY', [{ to: [{ methods: ['POST'], ports: ['80'] }] }])],
    {},
    'allow',
  ],
  ['DENY with paths keeps the source', [policy('DENY', [{ from: [{ namespaces: ['prod'] }], to: [{ paths: ['/x'] }] }])], {}, 'allow'],
  ['DENY with a header condition loses it', [policy('DENY', [{ when: [{ key: 'request.headers[x]', values: ['y'] }] }])], {}, 'deny'],
  ['DENY by principal', [policy('DENY', [{ from: [{ principals: [sleep] }] }])], {}, 'deny'],
  ['AUDIT with methods enforces nothing', [policy('AUDIT', [{ to: [{ methods: ['GET'] }] }])], {}, 'allow'],
];

describe.each([
  ['precedence', precedence, 'http'],
  ['selection', selection, 'http'],
  ['from', sources, 'http'],
  ['to', operations, 'http'],
  ['when', conditions, 'http'],
  ['combinations', combined, 'http'],
  ['TCP', tcp, 'tcp'],
] as const)('authorization filters decide as Istio documents: %s', (_title, rows, transport) => {
  it.each(rows)('%s', (_name, policies, part, expected) => {
    expect(decide(policies, transport, part).kind).toBe(expected);
  });
});
