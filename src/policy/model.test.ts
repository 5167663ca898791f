import { describe, expect, it } from 'vitest';
import { manifestsOf, policiesOf } from '../../test/support/policy-world.ts';
import { toPolicy } from './model.ts';

const cilium = (spec: string) =>
  `apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: p, namespace: x}\nspec: {endpointSelector: {}, ${spec}}\n`;
const problemsOf = (yaml: string) => manifestsOf(yaml).flatMap((manifest) => toPolicy(manifest).problems);

describe('toPolicy()', () => {
  it.each([
    ['rules.http', 'ingress: [{toPorts: [{ports: [{port: "80", protocol: TCP}], rules: {http: [{method: GET}]}}]}]'],
    ['rules.http', 'ingress: [{toPorts: [{ports: [{port: "80", protocol: TCP}], rules: {http: []}}]}]'],
    ['rules.dns', 'egress: [{toPorts: [{ports: [{port: "53"}], rules: {dns: [{matchName: a.example.com}]}}]}]'],
    ['kafka', 'ingress: [{toPorts: [{ports: [{port: "80", protocol: TCP}], rules: {kafka: [{}]}}]}]'],
    ['l7proto', 'ingress: [{toPorts: [{ports: [{port: "80", protocol: TCP}], rules: {l7proto: r2d2, l7: [{}]}}]}]'],
    ['serverNames', 'egress: [{toPorts: [{ports: [{port: "443", protocol: TCP}], serverNames: [a.example.com]}]}]'],
    ['listener', 'egress: [{toPorts: [{ports: [{port: "443", protocol: TCP}], listener: {name: l}}]}]'],
    ['terminatingTLS', 'egress: [{toPorts: [{ports: [{port: "443", protocol: TCP}], terminatingTLS: {}}]}]'],
  ])('refuses %s, which only a proxy can enforce, and enforces nothing of that policy', (field, spec) => {
    const [manifest] = manifestsOf(cilium(spec));
    if (manifest === undefined) throw new Error('no manifest');
    const policy = toPolicy(manifest);
    expect(policy.sections).toEqual([]);
    expect(policy.problems).toHaveLength(1);
    expect(policy.problems[0]).toContain(`L7 rules are enforced by the proxy; ${field} cannot be enforced on packets`);
    expect(toPolicy(manifest, { l7: 'ports' })).toMatchObject({ problems: [], sections: [{ rules: [{ l7: true }] }] });
  });

  it('accepts a DNS rule that lets every name pass, because it only asks the proxy to listen', () => {
    expect(problemsOf(cilium('egress: [{toPorts: [{ports: [{port: "53"}], rules: {dns: [{matchPattern: "*"}]}}]}]'))).toEqual([]);
  });

  it.each([
    ['ingress: [{fromGroups: [{aws: {}}]}]', 'fromGroups and toGroups are not supported'],
    ['egress: [{toCIDRSet: [{cidrGroupRef: g}]}]', 'cidrGroupRef and cidrGroupSelector are not supported'],
    ['egress: [{toCIDRSet: [{cidrGroupSelector: {}}]}]', 'cidrGroupRef and cidrGroupSelector are not supported'],
    ['ingress: [{fromEndpoints: [{}], authentication: {mode: required}}]', 'authentication mode required is not supported'],
  ])('refuses %s, which it cannot enforce', (spec, problem) => {
    expect(problemsOf(cilium(spec)).join()).toContain(problem);
  });

  it('accepts authentication mode disabled', () => {
    expect(problemsOf(cilium('ingress: [{fromEndpoints: [{}], authentication: {mode: disabled}}]'))).toEqual([]);
  });

  it('refuses a host policy', () => {
    const yaml =
      'apiVersion: cilium.io/v2\nkind: CiliumClusterwideNetworkPolicy\nmetadata: {name: p}\nspec: {nodeSelector: {}, ingress: [{}]}\n';
    expect(problemsOf(yaml).join()).toContain('nodeSelector (a host policy) is not supported');
  });

  it('keeps the order of a ClusterNetworkPolicy in its ranks: priorities first, then the place in the list', () => {
    const of = (priority: number) =>
      policiesOf(
        `apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {name: c}\nspec: {tier: Admin, priority: ${priority}, subject: {namespaces: {}}, egress: [${Array.from({ length: 25 }, () => '{action: Deny, to: [{namespaces: {}}]}').join()}]}\n`,
      )[0]?.sections[0]?.rules.map(({ rank }) => rank) ?? [];
    const ranks = [...of(0), ...of(1), ...of(999), ...of(1000)];
    expect(ranks).toEqual([...ranks].sort((a, b) => b - a));
    expect(new Set(ranks).size).toBe(100);
    expect(Math.min(...ranks)).toBeGreaterThan(0);
  });
});
