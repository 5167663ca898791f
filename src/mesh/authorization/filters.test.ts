import { describe, expect, it } from 'vitest';
import { authorizationPolicy as policy } from '../../../test/support/authorization-policy.ts';
import type { RbacRequest } from '../../../test/support/rbac-evaluator.ts';
import { evaluateRbac } from '../../../test/support/rbac-evaluator.ts';
import { UserError } from '../../base/errors.ts';
import { checkAuthorizationPolicy, httpAuthorizationFilters } from './filters.ts';
import { policiesForWorkload } from './select.ts';

const workload = { namespace: 'demo', labels: { app: 'httpbin', version: 'v1' } };
const sleep = 'cluster.local/ns/demo/sa/sleep';
const denyAll = policy('DENY', [{}], { name: 'deny-all' });
const allowAll = policy('ALLOW', [{}], { name: 'allow-all' });

function request(method: string, principal: string): RbacRequest {
  return {
    http: { method, path: '/get', host: 'httpbin.demo:8000', headers: {} },
    peer: [`spiffe://${principal}`],
    source: '10.1.0.7',
    remote: '10.1.0.7',
    destination: '10.1.0.9',
    port: 8000,
    sni: '',
  };
}

describe('httpAuthorizationFilters()', () => {
  const options = { trustDomain: 'cluster.local' };

  it('httpAuthorizationFilters() orders AUDIT, DENY, ALLOW, one filter each, when all are present', () => {
    const filters = httpAuthorizationFilters([allowAll, denyAll, policy('AUDIT', [{}]), policy('DENY', [{}], { name: 'second' })], options);
    expect(filters.map((filter) => filter.typed_config.rules?.action)).toEqual(['LOG', 'DENY', 'ALLOW']);
    expect(Object.keys(filters[1]?.typed_config.rules?.policies ?? {})).toEqual([
      'ns[demo]-policy[deny-all]-rule[0]',
      'ns[demo]-policy[second]-rule[0]',
    ]);
  });

  it('httpAuthorizationFilters() names rules as Istio does when one denies', () => {
    const policies = [
      policy('DENY', [{ to: [{ methods: ['PUT'] }] }, { to: [{ methods: ['GET'] }] }], { name: 'no-get', namespace: 'demo' }),
    ];
    expect(evaluateRbac(httpAuthorizationFilters(policies, options), request('GET', sleep))).toEqual({
      kind: 'deny',
      policy: 'ns[demo]-policy[no-get]-rule[1]',
      logged: false,
    });
  });

  it('httpAuthorizationFilters() marks what an AUDIT policy matches when it matches', () => {
    const policies = [policy('AUDIT', [{ to: [{ methods: ['POST'] }] }])];
    expect(evaluateRbac(httpAuthorizationFilters(policies, options), request('POST', sleep))).toEqual({ kind: 'allow', logged: true });
    expect(evaluateRbac(httpAuthorizationFilters(policies, options), request('GET', sleep))).toEqual({ kind: 'allow', logged: false });
  });

  it('httpAuthorizationFilters() reads cluster.local as the own trust domain when the mesh has another', () => {
    const filters = httpAuthorizationFilters([policy('ALLOW', [{ from: [{ principals: [sleep] }] }])], { trustDomain: 'prod.example' });
    expect(evaluateRbac(filters, request('GET', 'prod.example/ns/demo/sa/sleep')).kind).toBe('allow');
    expect(evaluateRbac(filters, request('GET', sleep)).kind).toBe('deny');
  });

  it('httpAuthorizationFilters() puts dry-run policies into shadow rules when they are mixed with enforced ones', () => {
    const shadow = policy('ALLOW', [{ to: [{ methods: ['GET'] }] }], { name: 'trial', annotations: { 'istio.io/dry-run': 'true' } });
    const [filter] = httpAuthorizationFilters([shadow, policy('ALLOW', [], { name: 'real' })], options);
    expect(Object.keys(filter?.typed_config.rules?.policies ?? {})).toEqual(['ns[demo]-policy[real]-rule[0]']);
    expect(Object.keys(filter?.typed_config.shadow_rules?.policies ?? {})).toEqual(['ns[demo]-policy[trial]-rule[0]']);
    expect(filter?.typed_config.shadow_rules_stat_prefix).toBe('istio_dry_run_allow_');
  });

  it.each([
    ['a port', { to: [{ ports: ['http'] }] }],
    ['a port out of range', { to: [{ notPorts: ['65536'] }] }],
    ['an address', { from: [{ ipBlocks: ['10.0.0'] }] }],
    ['a prefix length', { from: [{ remoteIpBlocks: ['10.0.0.0/33'] }] }],
    ['an address condition', { when: [{ key: 'destination.ip', values: ['10.0.0.1/'] }] }],
    ['an unknown condition', { when: [{ key: 'source.workload', values: ['x'] }] }],
    ['a header condition without a name', { when: [{ key: 'request.headers[]', values: ['x'] }] }],
    ['an experimental condition', { when: [{ key: 'experimental.envoy.filters.a[b]', values: ['x'] }] }],
    ['an empty value', { to: [{ methods: [''] }] }],
    ['a template with a variable', { to: [{ paths: ['/{*}/{name}'] }] }],
    ['a template with two {**}', { to: [{ paths: ['/{**}/a/{**}'] }] }],
    ['a template with a partial segment', { to: [{ paths: ['/a{*}'] }] }],
    ['a template with a bare wildcard', { to: [{ paths: ['/{*}/*'] }] }],
    ['a service account with a wildcard', { from: [{ serviceAccounts: ['demo/*'] }] }],
  ])('httpAuthorizationFilters() throws an error that names policy and place when %s cannot be translated', (_name, rule) => {
    const check = () => checkAuthorizationPolicy(policy('DENY', [{}, rule], { name: 'broken' }));
    expect(check).toThrow(UserError);
    expect(check).toThrow(
      expect.objectContaining({ code: 'MESH_INVALID', message: expect.stringMatching(/demo\/broken because rule 1 /) }),
    );
  });
});

describe('policiesForWorkload()', () => {
  it('policiesForWorkload() orders root policies first and then by name when several apply', () => {
    const policies = [
      policy('DENY', [], { name: 'b' }),
      policy('DENY', [], { name: 'z', namespace: 'istio-system' }),
      policy('DENY', [], { name: 'a' }),
    ];
    const chosen = policiesForWorkload({ rootNamespace: 'istio-system', authorizationPolicies: policies }, workload);
    expect(chosen.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`)).toEqual(['istio-system/z', 'demo/a', 'demo/b']);
  });

  it('policiesForWorkload() names a policy once when the workload is in the root namespace', () => {
    const policies = [policy('DENY', [], { namespace: 'istio-system' })];
    const own = { ...workload, namespace: 'istio-system' };
    expect(policiesForWorkload({ rootNamespace: 'istio-system', authorizationPolicies: policies }, own)).toHaveLength(1);
  });
});
