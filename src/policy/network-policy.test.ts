import { describe, expect, it } from 'vitest';
import { flowOf, Judge, policiesOf } from '../../test/support/policy-world.ts';

const everyone = ['x/a', 'x/b', 'x/c', 'y/a', 'y/b', 'y/c', 'z/a', 'z/b', 'z/c', 'out', 'out2', 'out6', 'node'];
const pods = everyone.slice(0, 9);

/**
 * Truth tables in the manner of cyclonus: for a NetworkPolicy in namespace x, who may reach x/a (or be reached by it) on a port. `all` is everyone,
 * `pods` the nine pods, a list names them. The node itself always may, which the last test holds.
 */
interface Table {
  readonly name: string;
  /** spec in flow style; several: several policies. */
  readonly specs: readonly string[];
  /** `direction port: who may; …` */
  readonly rows: string;
}

const tables: readonly Table[] = [
  {
    name: 'no policy',
    specs: [],
    rows: 'ingress 80/tcp: all; egress 80/tcp: all',
  },
  {
    name: 'another pod is selected',
    specs: ['{podSelector: {matchLabels: {pod: b}}, policyTypes: [Ingress, Egress]}'],
    rows: 'ingress 80/tcp: all; egress 80/tcp: all',
  },
  {
    name: 'empty spec: ingress isolated',
    specs: ['{podSelector: {}}'],
    rows: 'ingress 80/tcp:; egress 80/tcp: all',
  },
  {
    name: 'ingress: [] is deny',
    specs: ['{podSelector: {}, ingress: []}'],
    rows: 'ingress 80/tcp:; ingress 8/icmp:',
  },
  {
    name: 'ingress: [{}] is allow all',
    specs: ['{podSelector: {}, ingress: [{}]}'],
    rows: 'ingress 80/tcp: all; ingress 53/udp: all; ingress 8/icmp: all; ingress 0/gre: all',
  },
  { name: 'from: [] restricts nothing', specs: ['{podSelector: {}, ingress: [{from: []}]}'], rows: 'ingress 80/tcp: all' },
  {
    name: 'ports: [] restricts nothing',
    specs: ['{podSelector: {}, ingress: [{ports: []}]}'],
    rows: 'ingress 80/tcp: all; ingress 8/icmp: all',
  },
  {
    name: 'policyTypes Egress alone leaves ingress',
    specs: ['{podSelector: {}, policyTypes: [Egress]}'],
    rows: 'ingress 80/tcp: all; egress 80/tcp:; egress 8/icmp:',
  },
  {
    name: 'policyTypes Egress makes ingress rules mute',
    specs: ['{podSelector: {}, policyTypes: [Egress], ingress: [{ports: [{port: 80}]}]}'],
    rows: 'ingress 81/tcp: all',
  },
  {
    name: 'egress rules imply the type Egress',
    specs: ['{podSelector: {}, egress: [{to: [{podSelector: {matchLabels: {pod: b}}}]}]}'],
    rows: 'egress 80/tcp: x/b; ingress 80/tcp:',
  },
  {
    name: 'egress: [] does not imply it',
    specs: ['{podSelector: {}, egress: []}'],
    rows: 'egress 80/tcp: all; ingress 80/tcp:',
  },
  {
    name: 'podSelector alone: own namespace',
    specs: ['{podSelector: {matchLabels: {pod: a}}, ingress: [{from: [{podSelector: {matchLabels: {pod: b}}}]}]}'],
    rows: 'ingress 80/tcp: x/b; ingress 8/icmp: x/b',
  },
  {
    name: 'empty podSelector: whole own namespace',
    specs: ['{podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}'],
    rows: 'ingress 80/tcp: x/a x/b x/c',
  },
  {
    name: 'empty namespaceSelector: every pod',
    specs: ['{podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]}'],
    rows: 'ingress 80/tcp: pods; ingress 80/udp: pods',
  },
  {
    name: 'namespaceSelector by label',
    specs: ['{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {ns: y}}}]}]}'],
    rows: 'ingress 80/tcp: y/a y/b y/c',
  },
  {
    name: 'namespaceSelector by the name that Kubernetes gives',
    specs: ['{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: z}}}]}]}'],
    rows: 'ingress 80/tcp: z/a z/b z/c',
  },
  {
    name: 'both selectors of one item: and',
    specs: ['{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {ns: y}}, podSelector: {matchLabels: {pod: b}}}]}]}'],
    rows: 'ingress 80/tcp: y/b; ingress 129/icmp6: y/b',
  },
  {
    name: 'selectors of two items: or',
    specs: ['{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {ns: y}}}, {podSelector: {matchLabels: {pod: b}}}]}]}'],
    rows: 'ingress 80/tcp: x/b y/a y/b y/c',
  },
  {
    name: 'In',
    specs: [
      '{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: ns, operator: In, values: [x, z]}]}, podSelector: {matchExpressions: [{key: pod, operator: In, values: [a, c]}]}}]}]}',
    ],
    rows: 'ingress 80/tcp: x/a x/c z/a z/c',
  },
  {
    name: 'NotIn',
    specs: ['{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: ns, operator: NotIn, values: [x]}]}}]}]}'],
    rows: 'ingress 80/tcp: y/a y/b y/c z/a z/b z/c',
  },
  {
    name: 'NotIn is true without the label',
    specs: [
      '{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: stage, operator: NotIn, values: [live]}]}}]}]}',
    ],
    rows: 'ingress 80/tcp: z/a z/b z/c',
  },
  {
    name: 'Exists',
    specs: ['{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: stage, operator: Exists}]}}]}]}'],
    rows: 'ingress 80/tcp: x/a x/b x/c y/a y/b y/c',
  },
  {
    name: 'DoesNotExist',
    specs: ['{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: stage, operator: DoesNotExist}]}}]}]}'],
    rows: 'ingress 80/tcp: z/a z/b z/c',
  },
  {
    name: 'a label that identities leave out',
    specs: [
      '{podSelector: {}, ingress: [{from: [{namespaceSelector: {}, podSelector: {matchLabels: {controller-revision-hash: rev-1}}}]}]}',
    ],
    rows: 'ingress 80/tcp: x/b y/a y/c z/b',
  },
  {
    name: 'a port, TCP unless told',
    specs: ['{podSelector: {}, ingress: [{ports: [{port: 80}]}]}'],
    rows: 'ingress 80/tcp: all; ingress 81/tcp:; ingress 80/udp:; ingress 8/icmp:',
  },
  {
    name: 'a protocol without a port',
    specs: ['{podSelector: {}, ingress: [{ports: [{protocol: UDP}]}]}'],
    rows: 'ingress 80/tcp:; ingress 80/udp: all; ingress 65535/udp: all',
  },
  {
    name: 'SCTP',
    specs: ['{podSelector: {}, ingress: [{ports: [{protocol: SCTP, port: 80}]}]}'],
    rows: 'ingress 80/sctp: all; ingress 80/tcp:',
  },
  {
    name: 'a range of ports',
    specs: ['{podSelector: {}, ingress: [{ports: [{port: 79, endPort: 81}]}]}'],
    rows: 'ingress 78/tcp:; ingress 79/tcp: all; ingress 80/tcp: all; ingress 81/tcp: all; ingress 82/tcp:',
  },
  {
    name: 'two ports of two protocols',
    specs: ['{podSelector: {}, ingress: [{ports: [{port: 80}, {protocol: UDP, port: 81}]}]}'],
    rows: 'ingress 80/tcp: all; ingress 81/tcp:; ingress 81/udp: all',
  },
  {
    name: 'a named port on the way in is the selected pod’s',
    specs: ['{podSelector: {}, ingress: [{from: [{namespaceSelector: {}}], ports: [{port: serve-81-tcp}]}]}'],
    rows: 'ingress 81/tcp: pods; ingress 80/tcp:',
  },
  {
    name: 'a named port of another protocol does not count',
    specs: ['{podSelector: {}, ingress: [{ports: [{protocol: UDP, port: serve-80-tcp}]}]}'],
    rows: 'ingress 80/tcp:; ingress 80/udp:',
  },
  {
    name: 'a named port on the way out is the destination’s, and what is outside has none',
    specs: ['{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{protocol: UDP, port: serve-80-udp}]}]}'],
    rows: 'egress 80/udp: pods; egress 80/tcp:; egress 81/udp:',
  },
  {
    name: 'peer and port: and',
    specs: ['{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {pod: c}}}], ports: [{port: 80}]}]}'],
    rows: 'ingress 80/tcp: x/c; ingress 81/tcp:',
  },
  {
    name: 'two rules: or',
    specs: [
      '{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {pod: c}}}], ports: [{port: 80}]}, {from: [{podSelector: {matchLabels: {pod: b}}}], ports: [{port: 81}]}]}',
    ],
    rows: 'ingress 80/tcp: x/c; ingress 81/tcp: x/b',
  },
  {
    name: 'two policies: or',
    specs: [
      '{podSelector: {}, ingress: []}',
      '{podSelector: {matchLabels: {pod: a}}, ingress: [{from: [{namespaceSelector: {matchLabels: {ns: z}}}]}]}',
    ],
    rows: 'ingress 80/tcp: z/a z/b z/c',
  },
  {
    name: 'a policy for ingress and one for egress do not mix',
    specs: [
      '{podSelector: {}, policyTypes: [Ingress]}',
      '{podSelector: {}, policyTypes: [Egress], egress: [{to: [{podSelector: {matchLabels: {pod: b}}}]}]}',
    ],
    rows: 'ingress 80/tcp:; egress 80/tcp: x/b',
  },
  {
    name: 'ipBlock of what is outside',
    specs: ['{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 203.0.113.0/24}}]}]}'],
    rows: 'ingress 80/tcp: out out2',
  },
  {
    name: 'ipBlock with except',
    specs: ['{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 203.0.113.0/24, except: [203.0.113.64/26]}}]}]}'],
    rows: 'ingress 80/tcp: out; ingress 8/icmp: out',
  },
  {
    name: 'an except of one block is no hole in another',
    specs: [
      '{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 203.0.113.0/24, except: [203.0.113.64/26]}}, {ipBlock: {cidr: 203.0.113.72/29}}]}]}',
    ],
    rows: 'ingress 80/tcp: out out2',
  },
  {
    name: 'ipBlock covers pods',
    specs: ['{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.1.0/24, except: [10.0.1.2/32]}}]}]}'],
    rows: 'ingress 80/tcp: y/a y/c',
  },
  {
    name: 'ipBlock of everything of one family',
    specs: ['{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}]}'],
    rows: 'ingress 80/tcp: x/a x/b x/c y/a y/b y/c z/a z/b z/c out out2 node',
  },
  {
    name: 'ipBlock of IPv6 covers the IPv6 address of a pod alone',
    specs: ['{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: "fd00::/64"}}]}]}'],
    rows: 'egress 80/tcp:',
  },
  {
    name: 'ipBlock of one pod on the way out',
    specs: ['{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.0.2.3/32}}], ports: [{port: 80}]}]}'],
    rows: 'egress 80/tcp: z/c; egress 81/tcp:',
  },
  {
    name: 'ipBlock and podSelector as two items',
    specs: [
      '{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 203.0.113.5/32}}, {podSelector: {matchLabels: {pod: b}}}]}]}',
    ],
    rows: 'egress 80/tcp: x/b out; egress 53/udp: x/b out',
  },
  {
    name: 'egress to a namespace and a port',
    specs: [
      '{podSelector: {}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {matchLabels: {ns: y}}}], ports: [{port: 80}, {protocol: UDP, port: 53}]}]}',
    ],
    rows: 'egress 80/tcp: y/a y/b y/c; egress 53/udp: y/a y/b y/c; egress 53/tcp:',
  },
  {
    name: 'egress: [{}] allows all',
    specs: ['{podSelector: {}, policyTypes: [Egress], egress: [{}]}'],
    rows: 'egress 80/tcp: all; egress 8/icmp: all',
  },
  {
    name: 'a subject by expression',
    specs: ['{podSelector: {matchExpressions: [{key: pod, operator: In, values: [a, b]}]}, ingress: []}'],
    rows: 'ingress 80/tcp:',
  },
  {
    name: 'a subject that is not this pod',
    specs: ['{podSelector: {matchExpressions: [{key: pod, operator: NotIn, values: [a]}]}, ingress: []}'],
    rows: 'ingress 80/tcp: all',
  },
];

const names = (allowed: string): readonly string[] =>
  allowed === 'all' ? everyone : allowed === 'pods' ? pods : allowed.split(' ').filter(Boolean);

const cases = tables.flatMap(({ name, specs, rows }) => {
  const documents = specs.map(
    (spec, index) => `apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p${index}, namespace: x}\nspec: ${spec}\n`,
  );
  const judge = new Judge(documents.length === 0 ? [] : policiesOf(documents.join('---\n')));
  return rows.split(';').flatMap((row) => {
    const [question = '', allowed = ''] = row.split(':');
    const [direction, port = ''] = question.trim().split(' ');
    return everyone.map((peer) => ({
      name,
      judge,
      direction: direction === 'egress' ? ('egress' as const) : ('ingress' as const),
      port,
      peer,
      expected: names(allowed.trim()).includes(peer) ? ('allow' as const) : (133 as const),
    }));
  });
});

describe('NetworkPolicy', () => {
  it('has a truth table of more than 200 cases, allowed and denied', () => {
    expect(cases.length).toBeGreaterThan(800);
    expect(cases.filter(({ expected }) => expected === 'allow').length).toBeGreaterThan(200);
    expect(cases.filter(({ expected }) => expected === 133).length).toBeGreaterThan(200);
  });

  it.each(cases)('$name: $direction of x/a, $peer, $port is $expected', ({ judge, direction, port, peer, expected }) => {
    expect(judge.ask(flowOf(direction, 'x/a', peer, port))).toBe(expected);
  });

  it('evaluate() lets the node and its probes in to its pods whatever isolates them', () => {
    const judge = new Judge(
      policiesOf('apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: x}\nspec: {podSelector: {}}\n'),
    );
    for (const peer of ['host', 'probe']) expect(judge.ask(flowOf('ingress', 'x/a', peer, '80/tcp'))).toBe('allow');
    expect(judge.ask(flowOf('ingress', 'x/a', 'node', '80/tcp'))).toBe(133);
  });

  it('evaluate() tells the addresses of one pod apart where a range holds one of them', () => {
    const judge = new Judge(
      policiesOf(
        'apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: x}\nspec: {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: "fd00::/64"}}]}]}\n',
      ),
    );
    expect(judge.ask(flowOf('ingress', 'x/a6', 'y/b6', '80/tcp'))).toBe('allow');
    expect(judge.ask(flowOf('ingress', 'x/a', 'y/b', '80/tcp'))).toBe(133);
  });
});
