import { describe, expect, it } from 'vitest';
import { addresses, policiesOf, world } from '../../test/support/policy-world.ts';
import { PolicyCompiler } from './compiler.ts';
import { describeRule, listPolicies, tracePolicy } from './explain.ts';
import { PolicyTables } from './lookup.ts';

const cilium = (name: string, spec: string) =>
  `apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: ${name}, namespace: x}\n${spec}\n`;
const policies = policiesOf(
  [
    cilium('db', 'spec: {endpointSelector: {matchLabels: {pod: a}}, ingress: [{}]}'),
    cilium('bad', 'spec: {endpointSelector: {}}'),
    cilium(
      'two',
      'specs: [{endpointSelector: {matchLabels: {pod: b}}, egress: [{toEntities: [all]}]}, {endpointSelector: {matchLabels: {pod: b}}, egressDeny: [{toEntities: [world]}, {toEndpoints: [{matchLabels: {pod: c}}], toPorts: [{ports: [{port: "80"}]}]}]}]',
    ),
    'apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {name: top}\nspec: {tier: Admin, priority: 1, subject: {namespaces: {matchLabels: {ns: y}}}, ingress: [{name: no z, action: Deny, from: [{namespaces: {matchLabels: {ns: z}}}]}]}\n',
  ].join('---\n'),
);
const tables = new PolicyTables(new PolicyCompiler().compile(policies, world));

const trace = (source: string, destination: string, protocol = 6, port = 80) =>
  tracePolicy(tables, world, { source: addresses[source] ?? '', destination: addresses[destination] ?? '', protocol, port });

describe('listPolicies()', () => {
  it('shows whom each policy selects, what it is about, and why one is invalid', () => {
    expect(listPolicies(policies, world).map(({ reference, ...rest }) => ({ name: reference.name, ...rest }))).toEqual([
      { name: 'db', valid: true, reasons: [], pods: ['x/a'], directions: ['ingress'], isolates: ['ingress'], rules: 1 },
      {
        name: 'bad',
        valid: false,
        reasons: ['rule must have at least one of Ingress, IngressDeny, Egress, EgressDeny'],
        pods: [],
        directions: [],
        isolates: [],
        rules: 0,
      },
      { name: 'two', valid: true, reasons: [], pods: ['x/b'], directions: ['egress'], isolates: ['egress'], rules: 3 },
      { name: 'top', valid: true, reasons: [], pods: ['y/a', 'y/b', 'y/c'], directions: ['ingress'], isolates: [], rules: 1 },
    ]);
  });
});

describe('tracePolicy()', () => {
  it('names the policy that isolates when no rule allows the flow', () => {
    const result = trace('x/c', 'x/a', 6, 5432);
    expect(result.text).toBe('DENIED: 10.0.0.3 to TCP port 5432 of 10.0.0.1');
    expect(result.sides.map(({ text }) => text)).toEqual([
      'Egress of x/c: allowed, no policy selects the pod',
      'Ingress of x/a: denied, no rule allows it, by the ingress isolation of CiliumNetworkPolicy x/db (133)',
    ]);
  });

  it('names the rule, its list and its spec when a rule decides', () => {
    expect(trace('x/b', 'out').sides.map(({ text }) => text)).toEqual([
      'Egress of x/b: denied by egressDeny rule 1 of CiliumNetworkPolicy x/two in spec 2 [L3-Only] (181)',
    ]);
    expect(trace('x/b', 'x/c').sides[0]?.text).toBe(
      'Egress of x/b: denied by egressDeny rule 2 of CiliumNetworkPolicy x/two in spec 2 [L3-L4] (181)',
    );
    expect(trace('x/b', 'x/c', 6, 81).sides[0]?.text).toBe('Egress of x/b: allowed by egress rule 1 of CiliumNetworkPolicy x/two [all]');
  });

  it('says the tier and the name of a rule of a ClusterNetworkPolicy, and what has no rule', () => {
    expect(trace('z/a', 'y/a').sides[1]?.text).toBe(
      'Ingress of y/a: denied by ingress rule 1 (no z) of ClusterNetworkPolicy top [L3-Only], tier Admin (181)',
    );
    expect(trace('x/c', 'y/a').sides[1]?.text).toBe('Ingress of y/a: allowed, no rule is about it and nothing isolates the pod');
    expect(trace('y/a', 'out').sides[0]?.text).toBe('Egress of y/a: allowed, no policy of the pod is about egress');
  });

  it('says that the node reaches its pods, and leaves a side without a pod out', () => {
    const result = trace('host', 'x/a');
    expect(result.verdict).toBe('allow');
    expect(result.sides.map(({ text }) => text)).toEqual([
      "Ingress of x/a: allowed by the rule that lets the node's own traffic in to its pods [L3-Only]",
    ]);
  });

  it('writes an ICMP type as a type', () => {
    expect(trace('x/c', 'x/a', 1, 8 << 8).text).toBe('DENIED: 10.0.0.3 to ICMP type 8 of 10.0.0.1');
  });
});

describe('describeRule()', () => {
  it('has a sentence for every rule of the table', () => {
    const compiled = new PolicyCompiler().compile(policies, world);
    expect([...compiled.rules.values()].map(describeRule)).toEqual([
      "the rule that lets the node's own traffic in to its pods",
      'ingress rule 1 of CiliumNetworkPolicy x/db',
      'the ingress isolation of CiliumNetworkPolicy x/db',
      'egress rule 1 of CiliumNetworkPolicy x/two',
      'the egress isolation of CiliumNetworkPolicy x/two',
      'egressDeny rule 1 of CiliumNetworkPolicy x/two in spec 2',
      'egressDeny rule 2 of CiliumNetworkPolicy x/two in spec 2',
      'the egress isolation of CiliumNetworkPolicy x/two in spec 2',
      'ingress rule 1 (no z) of ClusterNetworkPolicy top',
    ]);
  });
});
