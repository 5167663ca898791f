import { describe, expect, it } from 'vitest';
import { flowOf, Judge, policiesOf } from '../../test/support/policy-world.ts';

/** Policies in YAML, and what x/a may do under them: `direction peer port answer, …`. */
interface Table {
  readonly name: string;
  readonly policies: readonly string[];
  readonly rows: string;
}

let serial = 0;
const cluster = (tier: 'Admin' | 'Baseline', priority: number, rest: string, subject = '{namespaces: {}}') =>
  `apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {name: c${serial++}}\nspec: {tier: ${tier}, priority: ${priority}, subject: ${subject}, ${rest}}\n`;
const admin = (priority: number, rest: string, subject?: string) => cluster('Admin', priority, rest, subject);
const baseline = (priority: number, rest: string, subject?: string) => cluster('Baseline', priority, rest, subject);
const network = (spec: string) =>
  `apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: n${serial++}, namespace: x}\nspec: ${spec}\n`;
const cilium = (spec: string) =>
  `apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: k${serial++}, namespace: x}\nspec: ${spec}\n`;

const fromAll = 'from: [{namespaces: {}}]';
const fromY = 'from: [{namespaces: {matchLabels: {ns: y}}}]';
const isolated = network('{podSelector: {}, policyTypes: [Ingress]}');

const tables: readonly Table[] = [
  {
    name: 'actions of one rule',
    policies: [admin(1, `ingress: [{action: Deny, ${fromY}}]`)],
    rows: 'ingress y/a 80/tcp 181, ingress z/a 80/tcp allow, ingress out 80/tcp allow, egress y/a 80/tcp allow, ingress y/a 8/icmp 181',
  },
  {
    name: 'the first rule of an object holds',
    policies: [admin(1, `ingress: [{action: Accept, from: [{pods: {podSelector: {matchLabels: {pod: b}}}}]}, {action: Deny, ${fromY}}]`)],
    rows: 'ingress y/b 80/tcp allow, ingress y/a 80/tcp 181, ingress z/b 80/tcp allow, ingress z/a 80/tcp allow',
  },
  {
    name: 'the other order',
    policies: [admin(1, `ingress: [{action: Deny, ${fromY}}, {action: Accept, from: [{pods: {podSelector: {matchLabels: {pod: b}}}}]}]`)],
    rows: 'ingress y/b 80/tcp 181, ingress y/a 80/tcp 181, ingress z/b 80/tcp allow',
  },
  {
    name: 'the lower priority number goes first',
    policies: [admin(10, `ingress: [{action: Deny, ${fromAll}}]`), admin(9, `ingress: [{action: Accept, ${fromY}}]`)],
    rows: 'ingress y/a 80/tcp allow, ingress z/a 80/tcp 181, ingress out 80/tcp allow',
  },
  {
    name: 'the edges of the priorities',
    policies: [admin(1000, `ingress: [{action: Accept, ${fromAll}}]`), admin(0, `ingress: [{action: Deny, ${fromY}}]`)],
    rows: 'ingress y/a 80/tcp 181, ingress z/a 80/tcp allow',
  },
  {
    name: 'the last rule of a priority still goes before the next priority',
    policies: [
      admin(6, `ingress: [{action: Deny, ${fromAll}}]`),
      admin(
        5,
        `ingress: [${Array.from({ length: 24 }, () => '{action: Deny, from: [{namespaces: {matchLabels: {ns: none}}}]}').join(', ')}, {action: Accept, ${fromY}}]`,
      ),
    ],
    rows: 'ingress y/a 80/tcp allow, ingress x/b 80/tcp 181',
  },
  {
    name: 'Accept in Admin goes before NetworkPolicy',
    policies: [admin(1, `ingress: [{action: Accept, ${fromY}}]`), isolated],
    rows: 'ingress y/a 80/tcp allow, ingress z/a 80/tcp 133, ingress out 80/tcp 133',
  },
  {
    name: 'Deny in Admin goes before NetworkPolicy',
    policies: [admin(1, `ingress: [{action: Deny, ${fromY}}]`), network('{podSelector: {}, ingress: [{}]}')],
    rows: 'ingress y/a 80/tcp 181, ingress z/a 80/tcp allow',
  },
  {
    name: 'Pass skips the rest of the tier',
    policies: [
      admin(1, `ingress: [{action: Pass, ${fromY}}, {action: Deny, ${fromAll}}]`),
      admin(2, `ingress: [{action: Deny, ${fromAll}}]`),
    ],
    rows: 'ingress y/a 80/tcp allow, ingress z/a 80/tcp 181',
  },
  {
    name: 'Pass asks NetworkPolicy',
    policies: [
      admin(1, `ingress: [{action: Pass, ${fromY}}]`),
      network('{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {ns: y}}, podSelector: {matchLabels: {pod: b}}}]}]}'),
    ],
    rows: 'ingress y/b 80/tcp allow, ingress y/a 80/tcp 133',
  },
  {
    name: 'Pass asks Baseline where no NetworkPolicy selects',
    policies: [admin(1, `ingress: [{action: Pass, ${fromY}}]`), baseline(0, `ingress: [{action: Deny, ${fromAll}}]`)],
    rows: 'ingress y/a 80/tcp 181, ingress z/a 80/tcp 181, ingress out 80/tcp allow',
  },
  {
    name: 'Baseline is not asked where NetworkPolicy allowed',
    policies: [
      baseline(0, `ingress: [{action: Deny, ${fromAll}}]`),
      network('{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {ns: y}}}]}]}'),
    ],
    rows: 'ingress y/a 80/tcp allow, ingress z/a 80/tcp 133',
  },
  {
    name: 'Baseline does not open what NetworkPolicy isolates',
    policies: [baseline(0, `ingress: [{action: Accept, ${fromAll}}]`), isolated],
    rows: 'ingress y/a 80/tcp 133',
  },
  {
    name: 'Baseline is asked in the direction that NetworkPolicy leaves alone',
    policies: [
      baseline(0, `ingress: [{action: Deny, ${fromAll}}], egress: [{action: Deny, to: [{namespaces: {matchLabels: {ns: z}}}]}]`),
      isolated,
    ],
    rows: 'ingress y/a 80/tcp 133, egress z/a 80/tcp 181, egress y/a 80/tcp allow',
  },
  {
    name: 'Baseline has priorities and Pass too',
    policies: [baseline(2, `ingress: [{action: Deny, ${fromAll}}]`), baseline(1, `ingress: [{action: Pass, ${fromY}}]`)],
    rows: 'ingress y/a 80/tcp allow, ingress z/a 80/tcp 181',
  },
  {
    name: 'Admin, a CiliumNetworkPolicy and Baseline are one order',
    policies: [
      admin(1, `ingress: [{action: Accept, from: [{pods: {podSelector: {matchLabels: {pod: a}}}}]}]`),
      cilium(
        '{endpointSelector: {}, ingress: [{fromEndpoints: [{matchLabels: {"k8s:io.kubernetes.pod.namespace": y}}]}], ingressDeny: [{fromEndpoints: [{matchLabels: {"k8s:io.kubernetes.pod.namespace": y, pod: c}}]}]}',
      ),
      baseline(1, `ingress: [{action: Accept, ${fromAll}}]`),
    ],
    rows: 'ingress z/a 80/tcp allow, ingress y/b 80/tcp allow, ingress y/c 80/tcp 181, ingress z/b 80/tcp 133',
  },
  {
    name: 'a policy without enableDefaultDeny leaves the rest to Baseline',
    policies: [
      cilium('{endpointSelector: {}, enableDefaultDeny: {ingress: false}, ingress: [{fromEndpoints: [{}]}]}'),
      baseline(1, `ingress: [{action: Deny, ${fromAll}}]`),
    ],
    rows: 'ingress x/b 80/tcp allow, ingress y/b 80/tcp 181',
  },
  {
    name: 'ports of protocols',
    policies: [
      admin(
        1,
        `ingress: [{action: Deny, ${fromAll}, protocols: [{tcp: {destinationPort: {number: 80}}}, {udp: {destinationPort: {range: {start: 53, end: 60}}}}]}]`,
      ),
    ],
    rows: 'ingress y/a 80/tcp 181, ingress y/a 81/tcp allow, ingress y/a 80/udp allow, ingress y/a 52/udp allow, ingress y/a 53/udp 181, ingress y/a 60/udp 181, ingress y/a 61/udp allow, ingress y/a 8/icmp allow',
  },
  {
    name: 'SCTP, and an exception before it',
    policies: [
      admin(1, `ingress: [{action: Accept, ${fromAll}, protocols: [{sctp: {destinationPort: {number: 81}}}]}, {action: Deny, ${fromAll}}]`),
    ],
    rows: 'ingress y/a 81/sctp allow, ingress y/a 80/sctp 181, ingress y/a 81/tcp 181',
  },
  {
    name: 'a named port is the destination’s, of whatever protocol',
    policies: [
      admin(
        1,
        `ingress: [{action: Deny, ${fromAll}, protocols: [{destinationNamedPort: serve-80-tcp}]}], egress: [{action: Deny, to: [{namespaces: {}}], protocols: [{destinationNamedPort: serve-81-udp}]}]`,
      ),
    ],
    rows: 'ingress y/a 80/tcp 181, ingress y/a 80/udp allow, egress y/a 81/udp 181, egress y/a 81/tcp allow, egress out 81/udp allow',
  },
  {
    name: 'networks cover pods, nodes and what is outside',
    policies: [admin(1, 'egress: [{action: Deny, to: [{networks: [0.0.0.0/0]}]}]')],
    rows: 'egress y/a 80/tcp 181, egress out 80/tcp 181, egress node 80/tcp 181, egress host 80/tcp 181, egress out6 80/tcp allow',
  },
  {
    name: 'pods passed before networks are denied',
    policies: [admin(1, 'egress: [{action: Pass, to: [{namespaces: {}}]}, {action: Deny, to: [{networks: [0.0.0.0/0, "::/0"]}]}]')],
    rows: 'egress y/a 80/tcp allow, egress out 80/tcp 181, egress out6 80/tcp 181',
  },
  {
    name: 'networks of one pod',
    policies: [admin(1, 'egress: [{action: Deny, to: [{networks: [10.0.1.2/32]}]}]')],
    rows: 'egress y/b 80/tcp 181, egress y/a 80/tcp allow, egress y/b6 80/tcp allow',
  },
  {
    name: 'nodes by their labels',
    policies: [admin(1, 'egress: [{action: Deny, to: [{nodes: {matchLabels: {zone: two}}}]}]')],
    rows: 'egress node 80/tcp 181, egress host 80/tcp allow, egress y/a 80/tcp allow',
  },
  {
    name: 'every node',
    policies: [admin(1, 'egress: [{action: Deny, to: [{nodes: {}}]}]')],
    rows: 'egress node 80/tcp 181, egress host 80/tcp 181, egress out 80/tcp allow, egress y/a 80/tcp allow',
  },
  {
    name: 'domain names',
    policies: [
      admin(1, 'egress: [{action: Accept, to: [{domainNames: [api.example.com]}]}, {action: Deny, to: [{networks: [0.0.0.0/0]}]}]'),
    ],
    rows: 'egress dns 443/tcp allow, egress out 443/tcp 181, egress y/a 443/tcp 181',
  },
  {
    name: 'a star in a domain name is one label or more',
    policies: [
      admin(1, 'egress: [{action: Accept, to: [{domainNames: ["*.example.com"]}]}, {action: Deny, to: [{networks: [0.0.0.0/0]}]}]'),
    ],
    rows: 'egress dns 443/tcp allow, egress out 443/tcp allow, egress out2 443/tcp 181',
  },
  {
    name: 'a peer that is not known: Accept matches nothing',
    policies: [admin(1, `ingress: [{action: Accept, from: [{fancy: {}}, {namespaces: {}}]}, {action: Deny, ${fromAll}}]`)],
    rows: 'ingress y/a 80/tcp 181, ingress out 80/tcp allow',
  },
  {
    name: 'a peer that is not known: Deny denies everything',
    policies: [admin(1, 'ingress: [{action: Deny, from: [{fancy: {}}], protocols: [{tcp: {destinationPort: {number: 80}}}]}]')],
    rows: 'ingress y/a 81/tcp 181, ingress out 53/udp 181, egress y/a 80/tcp allow',
  },
  {
    name: 'a peer that is not known: Pass denies everything',
    policies: [admin(1, 'egress: [{action: Pass, to: [{fancy: {}}]}]')],
    rows: 'egress y/a 80/tcp 181, egress out 80/tcp 181, ingress y/a 80/tcp allow',
  },
  {
    name: 'a subject of namespaces',
    policies: [admin(1, `ingress: [{action: Deny, ${fromAll}}]`, '{namespaces: {matchLabels: {ns: y}}}')],
    rows: 'ingress y/a 80/tcp allow',
  },
  {
    name: 'a subject of pods',
    policies: [
      admin(
        1,
        `ingress: [{action: Deny, ${fromAll}}]`,
        '{pods: {namespaceSelector: {matchLabels: {ns: x}}, podSelector: {matchLabels: {pod: a}}}}',
      ),
    ],
    rows: 'ingress y/a 80/tcp 181',
  },
  {
    name: 'the node reaches its pods in spite of Baseline',
    policies: [baseline(0, 'ingress: [{action: Deny, from: [{fancy: {}}]}]')],
    rows: 'ingress host 80/tcp allow, ingress probe 80/tcp allow, ingress node 80/tcp 181',
  },
  {
    name: 'the Admin tier goes before the node’s own right',
    policies: [admin(0, 'ingress: [{action: Deny, from: [{fancy: {}}]}]')],
    rows: 'ingress host 80/tcp 181',
  },
];

const cases = tables.flatMap(({ name, policies, rows }) => {
  const judge = new Judge(policiesOf(policies.join('---\n')));
  return rows.split(', ').map((row) => ({ name, judge, row }));
});

describe('ClusterNetworkPolicy', () => {
  it('has a truth table of at least 80 cases', () => expect(cases.length).toBeGreaterThanOrEqual(80));

  it.each(cases)('$name: $row', ({ judge, row }) => {
    const [direction, peer = '', port = '', expected] = row.split(' ');
    expect(String(judge.ask(flowOf(direction === 'egress' ? 'egress' : 'ingress', 'x/a', peer, port)))).toBe(expected);
  });
});
