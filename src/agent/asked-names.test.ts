import { describe, expect, it } from 'vitest';
import { manifestsOf } from '../../test/support/policy-world.ts';
import { toPolicy } from '../policy/model.ts';
import { AskedNames, outsideOf } from './asked-names.ts';

const policies = (egress: string) =>
  manifestsOf(
    `apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: a, namespace: x}\nspec: {endpointSelector: {}, egress: ${egress}}\n`,
  ).map((manifest) => toPolicy(manifest));

describe('AskedNames', () => {
  it('includes() knows names and patterns of the list that it is given, and of no earlier one', () => {
    const asked = new AskedNames();
    const first = policies('[{toFQDNs: [{matchName: API.example.com.}, {matchPattern: "*.example.net"}]}, {toCIDR: [192.0.2.0/24]}]');
    expect(['api.example.com', 'www.example.net', 'example.net', 'a.b.example.net'].map((name) => asked.includes(name, first))).toEqual([
      true,
      true,
      false,
      false,
    ]);
    expect(asked.includes('api.example.com', policies('[{toCIDR: [192.0.2.0/24]}, {}]'))).toBe(false);
  });

  it('includes() leaves out what a policy asks for that is not enforced', () => {
    const invalid = policies(
      '[{toFQDNs: [{matchName: api.example.com}], toPorts: [{ports: [{port: "80", protocol: TCP}], rules: {http: [{path: /}]}}]}]',
    );
    expect(invalid[0]?.problems).not.toEqual([]);
    expect(new AskedNames().includes('api.example.com', invalid)).toBe(false);
  });
});

describe('outsideOf()', () => {
  it('leaves out pods, nodes, services and what only a machine itself has', () => {
    const pod = {
      name: 'a',
      namespace: 'x',
      labels: {},
      serviceAccount: 'a',
      namedPorts: [],
      hostNetwork: false,
      local: true,
      workload: null,
    };
    const cluster = {
      pods: [{ ...pod, addresses: ['10.244.0.2', 'fd00::2'] }],
      nodes: [{ name: 'n', labels: {}, addresses: ['10.244.0.1'], local: true }],
      services: [
        { name: 's', namespace: 'x', labels: {}, selector: {}, clusterIPs: ['10.96.1.1'], ports: [], externalEndpoints: ['203.0.113.7'] },
      ],
    };
    const asked = [
      '10.244.0.2',
      'fd00::2',
      '10.244.0.1',
      '10.96.1.1',
      '127.0.0.1',
      '169.254.169.254',
      '::1',
      'fe80::1',
      '224.0.0.1',
      '0.0.0.0',
    ];
    expect(outsideOf(cluster, [...asked, '203.0.113.7', '2001:db8::1', '10.244.0.3'])).toEqual([
      '203.0.113.7',
      '2001:db8::1',
      '10.244.0.3',
    ]);
  });
});
