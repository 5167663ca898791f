import { describe, expect, it } from 'vitest';
import { flowOf, Judge, policiesOf } from '../../test/support/policy-world.ts';

// Table 2.1 of the contract, row by row: what an empty rule, an empty list and an absent list mean.

const policy = (spec: string) =>
  policiesOf(
    `apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: p, namespace: x}\nspec: {endpointSelector: {}, ${spec}}\n`,
  );
const clusterwide = (spec: string) =>
  policiesOf(
    `apiVersion: cilium.io/v2\nkind: CiliumClusterwideNetworkPolicy\nmetadata: {name: p}\nspec: {endpointSelector: {}, ${spec}}\n`,
  );
const network = (spec: string) =>
  policiesOf(
    `apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: x}\nspec: {podSelector: {}, ${spec}}\n`,
  );

const refused = 'rule must have at least one of Ingress, IngressDeny, Egress, EgressDeny';

describe('empty rules', () => {
  it.each(['description: nothing', 'ingress: []', 'ingress: , egress: ', 'ingress: [], egress: []', 'ingressDeny: [], egressDeny: []'])(
    'toPolicy() calls `%s` invalid, and nothing is enforced',
    (spec) => {
      const policies = policy(spec);
      expect(policies).toMatchObject([{ problems: [refused], sections: [] }]);
      const judge = new Judge(policies);
      expect(judge.ask(flowOf('ingress', 'x/a', 'out', '80/tcp'))).toBe('allow');
      expect(judge.ask(flowOf('egress', 'x/a', 'out', '80/tcp'))).toBe('allow');
    },
  );

  const rows: readonly (readonly [name: string, policies: ReturnType<typeof policy>, flow: string, expected: 'allow' | 133 | 181])[] = [
    ['ingress: [{}] isolates and allows nothing', policy('ingress: [{}]'), 'ingress x/b 80/tcp', 133],
    ['ingress: [{}] isolates and allows nothing', policy('ingress: [{}]'), 'ingress out 8/icmp', 133],
    ['ingress: [{}] leaves egress alone', policy('ingress: [{}]'), 'egress out 80/tcp', 'allow'],
    ['ingress: [] beside egress leaves ingress untouched', policy('ingress: [], egress: [{}]'), 'ingress out 80/tcp', 'allow'],
    ['ingress: [] beside egress isolates egress', policy('ingress: [], egress: [{}]'), 'egress out 80/tcp', 133],
    ['ingress without a value is absent', policy('ingress: , egress: [{}]'), 'ingress out 80/tcp', 'allow'],
    ['fromEndpoints: [{}] is the namespace', policy('ingress: [{fromEndpoints: [{}]}]'), 'ingress x/b 80/tcp', 'allow'],
    ['fromEndpoints: [{}] is the namespace only', policy('ingress: [{fromEndpoints: [{}]}]'), 'ingress y/b 80/tcp', 133],
    ['fromEndpoints: [{}] is not the world', policy('ingress: [{fromEndpoints: [{}]}]'), 'ingress out 80/tcp', 133],
    ['clusterwide fromEndpoints: [{}] is every pod', clusterwide('ingress: [{fromEndpoints: [{}]}]'), 'ingress y/b 80/tcp', 'allow'],
    ['clusterwide fromEndpoints: [{}] is not the world', clusterwide('ingress: [{fromEndpoints: [{}]}]'), 'ingress out 80/tcp', 133],
    ['clusterwide fromEndpoints: [{}] is no node', clusterwide('ingress: [{fromEndpoints: [{}]}]'), 'ingress node 80/tcp', 133],
    ['fromEndpoints: [] selects nothing', policy('ingress: [{fromEndpoints: []}]'), 'ingress x/b 80/tcp', 133],
    [
      'fromEndpoints: [] selects nothing, with ports too',
      policy('ingress: [{fromEndpoints: [], toPorts: [{ports: [{port: "80"}]}]}]'),
      'ingress x/b 80/tcp',
      133,
    ],
    [
      'fromCIDR: [] selects nothing, with ports too',
      policy('ingress: [{fromCIDR: [], toPorts: [{ports: [{port: "80"}]}]}]'),
      'ingress out 80/tcp',
      133,
    ],
    [
      'fromEntities: [] selects nothing, with ports too',
      policy('ingress: [{fromEntities: [], toPorts: [{ports: [{port: "80"}]}]}]'),
      'ingress out 80/tcp',
      133,
    ],
    [
      'toEndpoints: [] selects nothing, with ports too',
      policy('egress: [{toEndpoints: [], toPorts: [{ports: [{port: "80"}]}]}]'),
      'egress x/b 80/tcp',
      133,
    ],
    [
      'toServices: [] selects nothing, with ports too',
      policy('egress: [{toServices: [], toPorts: [{ports: [{port: "80"}]}]}]'),
      'egress x/b 80/tcp',
      133,
    ],
    [
      'toFQDNs: [] selects nothing, with ports too',
      policy('egress: [{toFQDNs: [], toPorts: [{ports: [{port: "80"}]}]}]'),
      'egress dns 80/tcp',
      133,
    ],
    ['toPorts without from is any peer', policy('ingress: [{toPorts: [{ports: [{port: "80"}]}]}]'), 'ingress out 80/tcp', 'allow'],
    ['toPorts without from is any peer', policy('ingress: [{toPorts: [{ports: [{port: "80"}]}]}]'), 'ingress z/c 80/udp', 'allow'],
    ['toPorts without from is those ports', policy('ingress: [{toPorts: [{ports: [{port: "80"}]}]}]'), 'ingress out 81/tcp', 133],
    [
      'fromEndpoints without a value is absent',
      policy('ingress: [{fromEndpoints: , toPorts: [{ports: [{port: "80"}]}]}]'),
      'ingress out 80/tcp',
      'allow',
    ],
    ['ingressDeny: [{}] denies nothing itself but isolates', policy('ingressDeny: [{}]'), 'ingress out 80/tcp', 133],
    ['ingressDeny from world alone denies the world', policy('ingressDeny: [{fromEntities: [world]}]'), 'ingress out 80/tcp', 181],
    ['ingressDeny from world alone isolates from the rest', policy('ingressDeny: [{fromEntities: [world]}]'), 'ingress x/b 80/tcp', 133],
    [
      'enableDefaultDeny: false makes ingress: [{}] a no-op',
      policy('enableDefaultDeny: {ingress: false}, ingress: [{}]'),
      'ingress out 80/tcp',
      'allow',
    ],
    [
      'enableDefaultDeny: false keeps explicit denies',
      policy('enableDefaultDeny: {ingress: false}, ingressDeny: [{fromEntities: [world]}]'),
      'ingress out 80/tcp',
      181,
    ],
    [
      'enableDefaultDeny: false keeps explicit denies only',
      policy('enableDefaultDeny: {ingress: false}, ingressDeny: [{fromEntities: [world]}]'),
      'ingress x/b 80/tcp',
      'allow',
    ],
    [
      'enableDefaultDeny: true isolates a direction without rules',
      policy('enableDefaultDeny: {egress: true}, ingress: [{}]'),
      'egress out 80/tcp',
      133,
    ],
    ['NetworkPolicy ingress: [{}] allows all', network('ingress: [{}]'), 'ingress out 80/tcp', 'allow'],
    ['NetworkPolicy ingress: [{}] allows all', network('ingress: [{}]'), 'ingress y/b 8/icmp', 'allow'],
    ['NetworkPolicy ingress: [] denies all', network('ingress: [], policyTypes: [Ingress]'), 'ingress x/b 80/tcp', 133],
    ['NetworkPolicy without ingress denies all', network('policyTypes: [Ingress]'), 'ingress x/b 80/tcp', 133],
  ];

  it.each(rows)('%s: %#', (_name, policies, flow, expected) => {
    const [direction, peer = '', port = ''] = flow.split(' ');
    expect(policies.flatMap(({ problems }) => problems)).toEqual([]);
    expect(new Judge(policies).ask(flowOf(direction === 'egress' ? 'egress' : 'ingress', 'x/a', peer, port))).toBe(expected);
  });

  it('evaluate() answers the article: a pod that nobody may reach, and the flow that would have been', () => {
    const before = new Judge([]);
    const after = new Judge(policy('ingress: [{}]'));
    const flow = flowOf('ingress', 'x/b', 'x/a', '5432/tcp');
    expect([before.ask(flow), after.ask(flow)]).toEqual(['allow', 133]);
  });
});
