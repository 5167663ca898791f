import { describe, expect, it } from 'vitest';
import { manifestFailure } from '../../test/support/manifest-text.ts';
import { parseManifests } from './parse.ts';
import type { AuthorizationPolicyManifest, PeerAuthenticationManifest } from './types.ts';

const policy = (spec: string, version = 'v1') =>
  `apiVersion: security.istio.io/${version}\nkind: AuthorizationPolicy\nmetadata: {name: p, namespace: n}\nspec: ${spec}\n`;
const peer = (spec: string) =>
  `apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: p, namespace: n}\nspec: ${spec}\n`;

function read(text: string): AuthorizationPolicyManifest | PeerAuthenticationManifest {
  const [first] = parseManifests(text, 'a.yaml').manifests;
  if (first?.kind !== 'AuthorizationPolicy' && first?.kind !== 'PeerAuthentication') throw new Error('another kind');
  return first;
}

describe('AuthorizationPolicy', () => {
  it('parseManifests() tells no rules, an empty rule and no selector apart', () => {
    expect(read(policy('{}'))).toMatchObject({ selector: null, action: 'ALLOW', rules: [] });
    expect(read('apiVersion: security.istio.io/v1beta1\nkind: AuthorizationPolicy\nmetadata: {name: p}\n')).toMatchObject({
      action: 'ALLOW',
      rules: [],
    });
    expect(read(policy('{rules: [{}], selector: {matchLabels: {a: b}}}'))).toMatchObject({
      selector: { a: 'b' },
      rules: [{ from: [], to: [], when: [] }],
    });
  });

  it('parseManifests() reads every field of a rule', () => {
    const rule =
      '{from: [{source: {principals: ["*"], notNamespaces: [x], ipBlocks: [10.0.0.0/8, "::1"], remoteIpBlocks: [1.2.3.4]}}, {source: {serviceAccounts: [sleep, demo/sleep]}}], to: [{operation: {hosts: ["*.x"], ports: ["80"], notMethods: [GET], paths: ["/a*"]}}], when: [{key: "request.headers[X-A]", values: ["1"]}, {key: source.ip, notValues: ["10.0.0.0/8"]}, {key: "request.auth.claims[a][b]", values: [c]}, {key: source.serviceAccount, values: [demo/x]}]}';
    const { rules } = read(policy(`{action: AUDIT, rules: [${rule}]}`)) as AuthorizationPolicyManifest;
    expect(rules[0]?.from[0]).toMatchObject({
      principals: ['*'],
      notNamespaces: ['x'],
      ipBlocks: ['10.0.0.0/8', '::1'],
      remoteIpBlocks: ['1.2.3.4'],
      requestPrincipals: [],
    });
    expect(rules[0]?.from[1]?.serviceAccounts).toEqual(['sleep', 'demo/sleep']);
    expect(rules[0]?.to[0]).toEqual({
      hosts: ['*.x'],
      notHosts: [],
      ports: ['80'],
      notPorts: [],
      methods: [],
      notMethods: ['GET'],
      paths: ['/a*'],
      notPaths: [],
    });
    expect(rules[0]?.when[1]).toEqual({ key: 'source.ip', values: [], notValues: ['10.0.0.0/8'] });
  });

  it.each([
    ['{action: CUSTOM, rules: [{}]}', 'spec.action is not supported by the lab', 'ALLOW, DENY or AUDIT'],
    ['{action: deny, rules: [{}]}', 'must be one of ALLOW', 'capitals'],
    ['{action: DENY}', 'spec.rules must not be empty with action DENY', 'denies every request'],
    ['{action: DENY, rules: []}', 'spec.rules must not be empty', '{}'],
    ['{targetRefs: [{kind: Gateway}]}', 'spec.targetRefs is not supported', 'spec.selector'],
    ['{targetRef: {kind: Gateway}}', 'spec.targetRef is not supported', 'spec.selector'],
    ['{provider: {name: x}}', 'spec.provider belongs to the action CUSTOM', 'Remove'],
    ['{rules: [{from: []}]}', 'spec.rules[0].from must not be empty', 'at least 1'],
    ['{rules: [{to: []}]}', 'spec.rules[0].to must not be empty', 'at least 1'],
    ['{rules: [{from: [{}]}]}', 'from[0].source is missing', 'a map'],
    ['{rules: [{from: [{source: }]}]}', 'from[0].source is missing', 'a map'],
    ['{rules: [{from: [{source: {}}]}]}', 'source must have at least one field', 'principals'],
    ['{rules: [{from: [{source: {principals: []}}]}]}', 'source must have at least one field', 'principals'],
    ['{rules: [{to: [{operation: {paths: }}]}]}', 'operation must have at least one field', 'paths'],
    ['{rules: [{from: [{source: {principal: [a]}}]}]}', 'source.principal is not known', 'Did you mean principals?'],
    ['{rules: [{to: [{operation: {methods: [""]}}]}]}', 'methods[0] must not be empty', 'Write'],
    ['{rules: [{to: [{operation: {ports: [80]}}]}]}', 'ports[0] must be a string: current value 80', 'quotes: "80"'],
    ['{rules: [{to: [{operation: {ports: ["http"]}}]}]}', 'must be a port from 1 to 65535', 'no wildcards'],
    ['{rules: [{to: [{operation: {notPorts: ["70000"]}}]}]}', 'must be a port from 1 to 65535', 'no wildcards'],
    ['{rules: [{to: [{operation: {paths: ["/a/{*}"]}}]}]}', 'must be a path without', 'not supported by the lab'],
    ['{rules: [{from: [{source: {ipBlocks: [10.0.0.0/33]}}]}]}', 'must be an IP address or a range', '10.0.0.0/8'],
    ['{rules: [{from: [{source: {notRemoteIpBlocks: ["*"]}}]}]}', 'must be an IP address or a range', '10.0.0.0/8'],
    ['{rules: [{from: [{source: {serviceAccounts: [x], namespaces: [y]}}]}]}', 'must not join service accounts', 'remove'],
    ['{rules: [{from: [{source: {serviceAccounts: ["*"]}}]}]}', 'must be a service account', 'wildcards'],
    ['{rules: [{from: [{source: {serviceAccounts: [a/b/c]}}]}]}', 'must be a service account', 'NAMESPACE/NAME'],
    ['{rules: [{when: [{key: source.up, values: [x]}]}]}', 'when[0].key is not a key that Istio knows', 'source.ip'],
    ['{rules: [{when: [{key: "request.headers", values: [x]}]}]}', 'is not a key', 'request.headers[NAME]'],
    ['{rules: [{when: [{key: "request.headers[NAME]x", values: [x]}]}]}', 'is not a key', 'request.headers[NAME]'],
    ['{rules: [{when: [{key: "source.ip[a]", values: [x]}]}]}', 'is not a key', 'source.ip'],
    ['{rules: [{when: [{key: source.ip}]}]}', 'must have values or notValues', 'Give'],
    ['{rules: [{when: [{key: source.ip, values: [x]}]}]}', 'when[0].values[0] must be an IP address', '10.0.0.0/8'],
    ['{rules: [{when: [{key: destination.port, notValues: ["0"]}]}]}', 'when[0].notValues[0] must be a port', 'no wildcards'],
    ['{rules: [{when: [{key: connection.sni, values: [""]}]}]}', 'when[0].values[0] must not be empty', 'Write'],
    ['{selector: {matchLabels: {a: "*"}}}', 'spec.selector.matchLabels.a must be a label value', 'letters'],
    ['{selector: {app: x}}', 'spec.selector.app is not known', 'matchLabels'],
  ])('parseManifests() refuses the spec %s', (spec, message, cure) => {
    const error = manifestFailure(policy(spec));
    expect(error.code).toBe('MANIFEST_INVALID');
    expect(error.message).toContain(message);
    expect(error.cure).toContain(cure);
    expect(error.where).toMatchObject({ file: 'a.yaml', line: 4 });
  });

  it('parseManifests() warns when a pattern is compared literally or a method can never match', () => {
    const { warnings } = parseManifests(
      policy(
        '{rules: [{from: [{source: {principals: ["*", "*/sleep", "a*"]}}], to: [{operation: {paths: ["/a/*/b", "*x*", "/a*"], methods: [get]}}]}]}',
      ),
      'a',
    );
    expect(warnings.map(({ message }) => message)).toEqual([
      expect.stringMatching(/^spec\.rules\[0\]\.to\[0\]\.operation\.methods\[0\] .* never matches/),
      expect.stringMatching(/operation\.paths\[0\] .* literally/),
      expect.stringMatching(/operation\.paths\[1\] .* literally/),
    ]);
  });
});

describe('PeerAuthentication', () => {
  it('parseManifests() reads modes by workload and by port', () => {
    expect(read(peer('{mtls: {mode: STRICT}}'))).toMatchObject({ selector: null, mode: 'STRICT', portLevel: {} });
    expect(read(peer('{}'))).toMatchObject({ mode: 'UNSET' });
    expect(read(peer('{selector: {matchLabels: {a: b}}, portLevelMtls: {8080: {mode: DISABLE}, "9090": {}}}'))).toMatchObject({
      selector: { a: 'b' },
      portLevel: { 8080: 'DISABLE', 9090: 'UNSET' },
    });
  });

  it.each([
    ['{mtls: {mode: strict}}', 'must be one of UNSET, DISABLE, PERMISSIVE, STRICT'],
    ['{portLevelMtls: {80: {mode: STRICT}}}', 'spec.portLevelMtls needs spec.selector'],
    ['{selector: {matchLabels: {a: b}}, portLevelMtls: {http: {mode: STRICT}}}', 'not a port'],
    ['{selector: {matchLabels: {a: b}}, portLevelMtls: {70000: {mode: STRICT}}}', 'not a port'],
    ['{targetRefs: []}', 'not supported by the lab'],
  ])('parseManifests() refuses the spec %s', (spec, message) => {
    expect(manifestFailure(peer(spec)).message).toContain(message);
  });
});
