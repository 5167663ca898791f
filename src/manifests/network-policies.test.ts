import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { manifestFailure } from '../../test/support/manifest-text.ts';
import { ciliumPolicy, clusterNetworkPolicy, networkPolicy } from '../../test/support/policy-manifests.ts';
import { Random } from '../../test/support/random.ts';
import { UserError } from '../base/errors.ts';
import { parseManifests } from './parse.ts';
import type { CiliumPolicyManifest } from './types.ts';

const cilium = (spec: string) => `apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: p}\nspec: ${spec}\n`;
const clusterwide = (spec: string) =>
  `apiVersion: cilium.io/v2\nkind: CiliumClusterwideNetworkPolicy\nmetadata: {name: p}\nspec: ${spec}\n`;
const network = (spec: string) => `apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p}\nspec: ${spec}\n`;
const cluster = (spec: string) =>
  `apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {name: p}\nspec: ${spec}\n`;

function ciliumOf(text: string): CiliumPolicyManifest {
  const [first] = parseManifests(text, 'a.yaml').manifests;
  if (first?.kind !== 'CiliumNetworkPolicy' && first?.kind !== 'CiliumClusterwideNetworkPolicy') throw new Error('another kind');
  return first;
}

const messagesOf = (text: string) => ciliumOf(text).faults.map(({ message }) => message);
const onIngress = (rule: string) => cilium(`{endpointSelector: {}, ingress: [${rule}]}`);
const onEgress = (rule: string) => cilium(`{endpointSelector: {}, egress: [${rule}]}`);
const onPorts = (item: string) => onIngress(`{toPorts: [${item}]}`);
const list = (count: number, item: string) => Array.from({ length: count }, () => item).join(', ');

describe('a policy of Cilium', () => {
  it('parseManifests() tells an absent list from an empty one and from one with an empty item', () => {
    const [absent, none, one] = ['', 'ingress: [], ', 'ingress: [{}], '].map(
      (text) => ciliumOf(cilium(`{endpointSelector: {}, ${text}egress: [{}]}`)).specs[0],
    );
    expect([absent?.ingress, none?.ingress]).toEqual([null, []]);
    expect(one?.ingress).toMatchObject([{ endpoints: null, ports: null }]);
    const rule = (text: string) => ciliumOf(onIngress(text)).specs[0]?.ingress?.[0]?.endpoints;
    expect([rule('{}'), rule('{fromEndpoints: }'), rule('{fromEndpoints: []}')]).toEqual([null, null, []]);
    expect(rule('{fromEndpoints: [{}]}')).toEqual([{ matchLabels: {}, matchExpressions: [] }]);
  });

  it('parseManifests() reads spec before specs', () => {
    const text =
      'apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: p}\nspecs: [{endpointSelector: {}, egress: [{}]}]\nspec: {endpointSelector: {}, ingress: [{}]}\n';
    expect(ciliumOf(text).specs.map(({ ingress, egress }) => [ingress?.length, egress?.length])).toEqual([
      [1, undefined],
      [undefined, 1],
    ]);
  });

  // The words of Cilium's own check: they become the condition Valid=False.
  it.each([
    ['rule must have at least one of Ingress, IngressDeny, Egress, EgressDeny', cilium('{endpointSelector: {}}')],
    ['rule must have at least one of Ingress, IngressDeny, Egress, EgressDeny', cilium('{endpointSelector: {}, ingress: []}')],
    ['rule must have one of EndpointSelector or NodeSelector', cilium('{ingress: [{}]}')],
    ['rule cannot have both EndpointSelector and NodeSelector', clusterwide('{endpointSelector: {}, nodeSelector: {}, ingress: [{}]}')],
    ['CiliumNetworkPolicy rule cannot have NodeSelector', cilium('{nodeSelector: {}, ingress: [{}]}')],
    ['combining FromEndpoints and FromCIDR is not supported yet', onIngress('{fromEndpoints: [{}], fromCIDR: [10.0.0.0/8]}')],
    ['combining FromEndpoints and FromEntities is not supported yet', onIngress('{fromEndpoints: [{}], fromEntities: [world]}')],
    ['combining FromCIDR and FromCIDRSet is not supported yet', onIngress('{fromCIDR: [10.0.0.0/8], fromCIDRSet: [{cidr: 10.0.0.0/8}]}')],
    [
      'combining ToEndpoints and ToServices is not supported yet',
      onEgress('{toEndpoints: [{}], toServices: [{k8sService: {serviceName: s}}]}'),
    ],
    ['combining ToEntities and ToFQDNs is not supported yet', onEgress('{toEntities: [world], toFQDNs: [{matchName: a.b}]}')],
    ['combining FromEntities and FromNodes is not supported yet', onIngress('{fromEntities: [world], fromNodes: [{}]}')],
    [
      'the ICMPs block may only be present without ToPorts. Define a separate rule to use ToPorts',
      onIngress('{icmps: [{fields: [{type: 8}]}], toPorts: [{ports: [{port: "80"}]}]}'),
    ],
    ['unsupported entity: everyone', onIngress('{fromEntities: [everyone]}')],
    ['IP must be specified', onIngress('{fromCIDR: [""]}')],
    ['unable to parse CIDR: "10.0.0.0/33" is neither an address nor a range', onIngress('{fromCIDR: [10.0.0.0/33]}')],
    ['unable to parse CIDRRule "10.0.0.1": it has no mask or is not a range', onIngress('{fromCIDRSet: [{cidr: 10.0.0.1}]}')],
    [
      'allow CIDR prefix 10.0.0.0/8 does not contain exclude CIDR prefix 11.0.0.0/16',
      onIngress('{fromCIDRSet: [{cidr: 10.0.0.0/8, except: [11.0.0.0/16]}]}'),
    ],
    [
      'allow CIDR prefix 10.0.0.0/8 does not contain exclude CIDR prefix ::/0',
      onIngress('{fromCIDRSet: [{cidr: 10.0.0.0/8, except: ["::/0"]}]}'),
    ],
    ['one of cidr, cidrGroupRef, or cidrGroupSelector is required', onIngress('{fromCIDRSet: [{}]}')],
    [
      'more than one of cidr, cidrGroupRef, or cidrGroupSelector may not be set',
      onIngress('{fromCIDRSet: [{cidr: 10.0.0.0/8, cidrGroupRef: g}]}'),
    ],
    ['too many ports, the max is 40', onPorts(`{ports: [${list(41, '{port: "80"}')}]}`)],
    ['too many types, the max is 40', onIngress(`{icmps: [{fields: [${list(41, '{type: 8}')}]}]}`)],
    ['port must be specified', onPorts('{ports: [{protocol: TCP}]}')],
    ['port must be empty or 0', onPorts('{ports: [{port: "80", protocol: VRRP}]}')],
    ['unable to parse port: "70000" is neither a number from 0 to 65535 nor a service name', onPorts('{ports: [{port: "70000"}]}')],
    ['unable to parse port: "a_b" is neither a number from 0 to 65535 nor a service name', onPorts('{ports: [{port: a_b}]}')],
    [
      'L7 rules can only apply to TCP (not UDP) except for DNS rules',
      onPorts('{ports: [{port: "80", protocol: UDP}], rules: {http: [{}]}}'),
    ],
    ['L7 rules can only apply to TCP (not ANY) except for DNS rules', onPorts('{ports: [{port: "80"}], rules: {http: [{}]}}')],
    ['L7 rules can not be used when a port is 0', onPorts('{ports: [{port: "0", protocol: TCP}], rules: {http: [{}]}}')],
    [
      'multiple L7 protocol rule types specified in single rule',
      onPorts('{ports: [{port: "80", protocol: TCP}], rules: {http: [{}], kafka: [{}]}}'),
    ],
    ["'l7' may only be specified when a 'l7proto' is also specified", onPorts('{ports: [{port: "80", protocol: TCP}], rules: {l7: [{}]}}')],
    ['DNS rules are not allowed on ingress', onPorts('{ports: [{port: "53"}], rules: {dns: [{matchPattern: "*"}]}}')],
    ['port 53 must be specified for DNS rules', onEgress('{toPorts: [{rules: {dns: [{matchPattern: "*"}]}}]}')],
    [
      'DNS rules do not support port ranges',
      onEgress('{toPorts: [{ports: [{port: "53", endPort: 60}], rules: {dns: [{matchPattern: "*"}]}}]}'),
    ],
    ['Listener is not allowed on ingress (l)', onPorts('{ports: [{port: "80"}], listener: {name: l}}')],
    [
      'Listener is not allowed with L7 rules (l)',
      onEgress('{toPorts: [{ports: [{port: "80", protocol: TCP}], listener: {name: l}, rules: {http: [{}]}}]}'),
    ],
    [
      'ServerNames are not allowed with L7 rules without TLS termination',
      onEgress('{toPorts: [{ports: [{port: "80", protocol: TCP}], serverNames: [a.b], rules: {http: [{}]}}]}'),
    ],
    ['empty server name is not allowed', onEgress('{toPorts: [{ports: [{port: "80", protocol: TCP}], serverNames: [""]}]}')],
    ['one of MatchName or MatchPattern is required', onEgress('{toFQDNs: [{}]}')],
    ['only one of MatchName or MatchPattern is allowed in an FQDNSelector', onEgress('{toFQDNs: [{matchName: a.b, matchPattern: "*"}]}')],
    [
      'Invalid characters in MatchName: "a b". Only 0-9, a-z, A-Z and . and - characters are allowed',
      onEgress('{toFQDNs: [{matchName: a b}]}'),
    ],
    [
      'Invalid characters in MatchPattern: "a{2}". Only 0-9, a-z, A-Z and ., - and * characters are allowed',
      onEgress('{toFQDNs: [{matchPattern: "a{2}"}]}'),
    ],
    [
      'L7 policy is not supported on host ingress yet',
      clusterwide('{nodeSelector: {}, ingress: [{toPorts: [{ports: [{port: "80", protocol: TCP}], rules: {http: [{}]}}]}]}'),
    ],
  ])('parseManifests() reads it as invalid with "%s"', (message, text) => {
    expect(messagesOf(text)).toContain(message);
    expect(
      parseManifests(text, 'a.yaml')
        .warnings.map((warning) => warning.message)
        .join('\n'),
    ).toContain(message);
  });

  it('parseManifests() finds nothing wrong at the very edges', () => {
    for (const text of [
      onPorts(`{ports: [${list(40, '{port: "80"}')}]}`),
      onIngress('{fromEndpoints: [], fromCIDR: [10.0.0.0/8]}'),
      onIngress('{icmps: [{fields: [{type: 255}]}], toPorts: []}'),
      onIngress('{fromCIDRSet: [{cidr: 10.0.0.0/8, except: [10.0.0.0/8]}]}'),
      onIngress('{toPorts: [{ports: [{protocol: VRRP}, {port: "0", protocol: IGMP}, {port: "65535"}, {port: http-alt}]}]}'),
      onEgress('{toServices: [{k8sService: {serviceName: s, namespace: n}}], toPorts: [{ports: [{port: "80"}]}]}'),
    ])
      expect(messagesOf(text), text).toEqual([]);
  });

  it('parseManifests() says where the fault is, and reads the other objects of the file', () => {
    const text = `${cilium('{endpointSelector: {}}')}---\napiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata:\n  name: q\nspec:\n  endpointSelector: {}\n  ingress:\n  - fromEntities:\n    - everyone\n`;
    const { manifests, warnings } = parseManifests(text, 'a.yaml');
    expect(manifests).toHaveLength(2);
    expect(warnings.at(-1)).toEqual({
      message: 'spec.ingress[0].fromEntities[0] makes CiliumNetworkPolicy q invalid: unsupported entity: everyone',
      position: { file: 'a.yaml', line: 14, column: 7 },
    });
  });

  // What the CRD's schema refuses never becomes an object.
  it.each(
    [
      [onPorts('{ports: [{port: 80}]}'), 'ports[0].port must be a string'],
      [onPorts('{ports: [{port: "80", protocol: ICMP}]}'), 'protocol must be one of TCP, UDP, SCTP, VRRP, IGMP, ANY'],
      [onPorts('{ports: [{port: "80", protocol: tcp}]}'), 'protocol must be one of'],
      [onIngress('{fromEndpoint: [{}]}'), 'fromEndpoint is not known'],
      [onIngress('{toEndpoints: [{}]}'), 'toEndpoints is not known'],
      [onIngress('null'), 'ingress[0] must be a map'],
      [onIngress('{fromEndpoints: [null]}'), 'fromEndpoints[0] must be a map'],
      [onIngress('{icmps: [{fields: [{type: 256}]}]}'), 'type must be an ICMP type of IPv4'],
      [onIngress('{icmps: [{fields: [{type: PacketTooBig}]}]}'), 'type must be an ICMP type of IPv4'],
      [onIngress('{fromRequires: [{}]}'), 'fromRequires is not supported any more'],
      [onIngress('{fromEndpoints: [{matchExpressions: [{key: a, operator: In}]}]}'), 'values must not be empty with operator In'],
      [onIngress('{fromEndpoints: [{matchLabels: {"a b": c}}]}'), 'has a key that is not one of a label'],
      [cilium('{endpointSelector: {}, egressDeny: [{toFQDNs: [{matchName: a.b}]}]}'), 'toFQDNs is not known'],
      [cilium('{endpointSelector: {}, ingressDeny: [{toPorts: [{ports: [{port: "80"}], rules: {http: [{}]}}]}]}'), 'rules is not known'],
      [cilium('{endpointSelector: {}, enableDefaultDeny: {ingress: "no"}, ingress: [{}]}'), 'must be true or false'],
    ].map(([text = '', message = '']) => [message, text] as const),
  )('parseManifests() refuses it with "%s"', (message, text) => {
    const failure = manifestFailure(text);
    expect(failure.code).toBe('MANIFEST_INVALID');
    expect(failure.message).toContain(message);
    expect(failure.where).toMatchObject({ file: 'a.yaml', line: 4 });
  });

  it('parseManifests() refuses a namespace on a clusterwide policy', () => {
    const text =
      'apiVersion: cilium.io/v2\nkind: CiliumClusterwideNetworkPolicy\nmetadata: {name: p, namespace: n}\nspec: {endpointSelector: {}, ingress: [{}]}\n';
    expect(manifestFailure(text).message).toContain('belongs to the whole cluster and has no namespace');
  });
});

describe('a NetworkPolicy', () => {
  it.each(
    [
      [network('{podSelector: {}, ingress: [{from: [{}]}]}'), 'must specify a peer'],
      [
        network('{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}, podSelector: {}}]}]}'),
        'may not have both ipBlock and another peer',
      ],
      [network('{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.1}}]}]}'), 'cidr must be a range of addresses'],
      [
        network('{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [11.0.0.0/16]}}]}]}'),
        'except[0] must be a strict subset of cidr',
      ],
      [
        network('{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/8]}}]}]}'),
        'except[0] must be a strict subset of cidr',
      ],
      [network('{podSelector: {}, ingress: [{ports: [{port: 90, endPort: 80}]}]}'), 'endPort must be greater than or equal to port'],
      [
        network('{podSelector: {}, ingress: [{ports: [{port: http, endPort: 80}]}]}'),
        'endPort may not be given when port is missing or a name',
      ],
      [network('{podSelector: {}, ingress: [{ports: [{endPort: 80}]}]}'), 'endPort may not be given when port is missing or a name'],
      [network('{podSelector: {}, ingress: [{ports: [{port: 0}]}]}'), 'must be a port'],
      [network('{podSelector: {}, ingress: [{ports: [{protocol: ICMP}]}]}'), 'protocol must be one of TCP, UDP, SCTP'],
      [network('{podSelector: {}, policyTypes: [ingress]}'), 'must be one of Ingress, Egress'],
      [network('{podSelector: {}, ingres: []}'), 'ingres is not known'],
    ].map(([text = '', message = '']) => [message, text] as const),
  )('parseManifests() refuses it with "%s"', (message, text) => {
    expect(manifestFailure(text).message).toContain(message);
    expect(manifestFailure(text).where).toMatchObject({ line: 4 });
  });
});

describe('a ClusterNetworkPolicy', () => {
  const rule = (text: string) => cluster(`{tier: Admin, priority: 1, subject: {namespaces: {}}, ${text}}`);
  it.each(
    [
      [cluster('{tier: Normal, priority: 1, subject: {namespaces: {}}}'), 'tier must be one of Admin, Baseline'],
      [cluster('{tier: Admin, priority: 1001, subject: {namespaces: {}}}'), 'priority must be at most 1000'],
      [cluster('{tier: Admin, priority: -1, subject: {namespaces: {}}}'), 'priority must be at least 0'],
      [cluster('{tier: Admin, subject: {namespaces: {}}}'), 'priority is missing'],
      [cluster('{tier: Admin, priority: 1, subject: {}}'), 'must have exactly one of namespaces and pods'],
      [cluster('{tier: Admin, priority: 1, subject: {namespaces: {}, pods: {podSelector: {}}}}'), 'must have exactly one member'],
      [rule('ingress: [{action: Allow, from: [{namespaces: {}}]}]'), 'action must be one of Accept, Deny, Pass'],
      [rule('ingress: [{action: Accept}]'), 'from is missing'],
      [rule('ingress: [{action: Accept, from: []}]'), 'from must not be empty'],
      [rule(`ingress: [{action: Accept, from: [${list(26, '{namespaces: {}}')}]}]`), 'from must be at most 25'],
      [rule(`ingress: [${list(26, '{action: Accept, from: [{namespaces: {}}]}')}]`), 'ingress must be at most 25'],
      [
        rule(`ingress: [{action: Accept, from: [{namespaces: {}}], protocols: [${list(26, '{tcp: {destinationPort: {number: 80}}}')}]}]`),
        'protocols must be at most 25',
      ],
      [rule('ingress: [{action: Accept, from: [{namespaces: {}}], protocols: [{}]}]'), 'must have exactly one member'],
      [rule('ingress: [{action: Accept, from: [{namespaces: {}}], protocols: [{tcp: {}}]}]'), 'tcp must not be empty'],
      [
        rule('ingress: [{action: Accept, from: [{namespaces: {}}], protocols: [{tcp: {destinationPort: {}}}]}]'),
        'must have exactly one of number and range',
      ],
      [
        rule('ingress: [{action: Accept, from: [{namespaces: {}}], protocols: [{tcp: {destinationPort: {range: {start: 80, end: 80}}}}]}]'),
        'start must be less than end',
      ],
      [
        rule('ingress: [{action: Accept, from: [{namespaces: {matchLabels: {"a b": c}}}]}]'),
        'from[0].namespaces.matchLabels["a b"] has a key',
      ],
      [rule('egress: [{action: Deny, to: [{domainNames: [a.example.com]}]}]'), 'must not have domainNames with another action than Accept'],
      [rule('egress: [{action: Accept, to: [{domainNames: ["a.*.com"]}]}]'), 'domainNames[0] must be a domain name'],
      [rule('egress: [{action: Accept, to: [{networks: [10.0.0.0]}]}]'), 'networks[0] must be a range of addresses'],
      [rule('egress: [{action: Accept, to: [{networks: []}]}]'), 'networks must not be empty'],
      [
        rule('egress: [{action: Accept, to: [{networks: [10.0.0.0/8]}], protocols: [{destinationNamedPort: http}]}]'),
        'must not have destinationNamedPort with networks',
      ],
    ].map(([text = '', message = '']) => [message, text] as const),
  )('parseManifests() refuses it with "%s"', (message, text) => {
    expect(manifestFailure(text).message).toContain(message);
    expect(manifestFailure(text).where).toMatchObject({ line: 4 });
  });

  it('parseManifests() keeps a peer that it does not know, so that the rule can fail closed', () => {
    expect(
      parseManifests(rule('ingress: [{action: Deny, from: [{networks: [10.0.0.0/8]}, {fancy: 1}, {}]}]'), 'a.yaml').manifests,
    ).toMatchObject([
      {
        ingress: [
          {
            peers: [
              { kind: 'unknown', fields: ['networks'] },
              { kind: 'unknown', fields: ['fancy'] },
              { kind: 'unknown', fields: [] },
            ],
          },
        ],
      },
    ]);
  });
});

describe('any policy', () => {
  /** Throws only what a user can mend. */
  const read = (value: unknown) => {
    try {
      parseManifests(JSON.stringify(value), 'a.json');
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
    }
  };

  const kinds = fc.constantFrom(
    ['cilium.io/v2', 'CiliumNetworkPolicy'],
    ['cilium.io/v2', 'CiliumClusterwideNetworkPolicy'],
    ['networking.k8s.io/v1', 'NetworkPolicy'],
    ['policy.networking.k8s.io/v1alpha2', 'ClusterNetworkPolicy'],
  );

  it('parseManifests() answers or throws a UserError, whatever stands in the spec', () => {
    fc.assert(
      fc.property(kinds, fc.jsonValue({ maxDepth: 6 }), ([apiVersion, kind], spec) =>
        read({ apiVersion, kind, metadata: { name: 'p' }, spec }),
      ),
      { numRuns: 500 },
    );
  }, 60_000);

  it('parseManifests() answers or throws a UserError when one value of a valid policy is another', () => {
    const makers = fc.constantFrom(ciliumPolicy, networkPolicy, clusterNetworkPolicy);
    fc.assert(
      fc.property(makers, fc.integer(), fc.nat(), fc.jsonValue({ maxDepth: 2 }), (make, seed, at, value) => {
        read(replaceAt(make(new Random(seed), 'p'), at, value));
      }),
      { numRuns: 1500 },
    );
  }, 60_000);
});

/** A copy in which the `at`-th value, counted from the root and modulo their number, is another. */
function replaceAt(root: object, at: number, value: unknown): unknown {
  let count = 0;
  const walk = (item: unknown, visit: (item: unknown) => unknown): unknown => {
    const other = visit(item);
    if (other !== item) return other;
    if (Array.isArray(item)) return item.map((one) => walk(one, visit));
    if (item === null || typeof item !== 'object') return item;
    return Object.fromEntries(Object.entries(item).map(([key, one]) => [key, walk(one, visit)]));
  };
  walk(root, (item) => {
    count += 1;
    return item;
  });
  let left = at % count;
  return walk(root, (item) => (left-- === 0 ? value : item));
}
