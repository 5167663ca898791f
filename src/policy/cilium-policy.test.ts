import { describe, expect, it } from 'vitest';
import { flowOf, Judge, policiesOf } from '../../test/support/policy-world.ts';

// Table 2.2 of the contract, field by field. What is refused is in src/manifests/cilium-faults.test.ts.

const document = (spec: string, kind = 'CiliumNetworkPolicy') =>
  `apiVersion: cilium.io/v2\nkind: ${kind}\nmetadata: {name: p${kind.length}${spec.length}, ${kind === 'CiliumNetworkPolicy' ? 'namespace: x' : 'labels: {}'}}\n${spec}\n`;
const one = (spec: string) => document(`spec: {endpointSelector: {}, ${spec}}`);
const clusterwide = (spec: string) => document(`spec: {${spec}}`, 'CiliumClusterwideNetworkPolicy');
const on = (selector: string) => document(`spec: {endpointSelector: ${selector}, ingress: [{}]}`);
const from = (selector: string) => one(`ingress: [{fromEndpoints: [${selector}]}]`);
const to = (rule: string) => one(`egress: [{${rule}}]`);
const ports = (list: string) => one(`ingress: [{toPorts: [{ports: [${list}]}]}]`);
const entity = (name: string) => one(`ingress: [{fromEntities: [${name}]}]`);

/** Each row: direction, peer, port, and whether x/a may (`allow`) or why not. */
const tables: readonly (readonly [field: string, yaml: string, rows: string])[] = [
  [
    'spec and specs: all of them hold',
    document(
      'spec: {endpointSelector: {}, ingress: [{fromEndpoints: [{matchLabels: {pod: b}}]}]}\nspecs: [{endpointSelector: {}, ingress: [{fromEndpoints: [{matchLabels: {pod: c}}]}]}, {endpointSelector: {}, egress: [{toEntities: [world]}]}]',
    ),
    'ingress x/b 80/tcp allow, ingress x/c 80/tcp allow, ingress y/b 80/tcp 133, egress out 80/tcp allow, egress x/b 80/tcp 133',
  ],
  ['endpointSelector {} is the namespace', one('ingress: [{}]'), 'ingress x/b 80/tcp 133'],
  ['endpointSelector by label', on('{matchLabels: {pod: a}}'), 'ingress x/b 80/tcp 133'],
  ['endpointSelector of other pods', on('{matchLabels: {pod: b}}'), 'ingress x/b 80/tcp allow'],
  ['endpointSelector with a source', on('{matchLabels: {"k8s:pod": a}}'), 'ingress x/b 80/tcp 133'],
  ['endpointSelector cannot leave the namespace', on('{matchLabels: {"k8s:io.kubernetes.pod.namespace": y}}'), 'ingress x/b 80/tcp 133'],
  [
    'endpointSelector by expressions',
    on('{matchExpressions: [{key: pod, operator: NotIn, values: [b, c]}, {key: pod, operator: Exists}]}'),
    'ingress x/b 80/tcp 133',
  ],
  ['endpointSelector by service account', on('{matchLabels: {io.cilium.k8s.policy.serviceaccount: special}}'), 'ingress x/b 80/tcp allow'],
  [
    'clusterwide selects everywhere',
    clusterwide('endpointSelector: {matchLabels: {pod: a}}, ingress: [{fromEndpoints: [{matchLabels: {pod: b}}]}]'),
    'ingress x/b 80/tcp allow, ingress z/b 80/tcp allow, ingress z/c 80/tcp 133, ingress out 80/tcp 133',
  ],
  [
    'default deny by any selecting rule',
    `${one('enableDefaultDeny: {ingress: false}, ingress: [{fromEndpoints: [{matchLabels: {pod: b}}]}]')}---\n${document('spec: {endpointSelector: {matchLabels: {pod: a}}, ingress: [{}]}')}`,
    'ingress x/b 80/tcp allow, ingress x/c 80/tcp 133',
  ],
  ['namespace of a selector: the policy’s', from('{matchLabels: {pod: b}}'), 'ingress x/b 80/tcp allow, ingress y/b 80/tcp 133'],
  [
    'namespace of a selector: named',
    from('{matchLabels: {"k8s:io.kubernetes.pod.namespace": y, pod: b}}'),
    'ingress y/b 80/tcp allow, ingress x/b 80/tcp 133, ingress y/c 80/tcp 133',
  ],
  [
    'namespace of a selector: any source',
    from('{matchLabels: {io.kubernetes.pod.namespace: y}}'),
    'ingress y/b 80/tcp allow, ingress x/b 80/tcp 133',
  ],
  [
    'namespace of a selector: several',
    from('{matchExpressions: [{key: io.kubernetes.pod.namespace, operator: In, values: [y, z]}]}'),
    'ingress y/b 80/tcp allow, ingress z/b 80/tcp allow, ingress x/b 80/tcp 133',
  ],
  [
    'namespace of a selector: by its labels',
    from('{matchLabels: {"k8s:io.cilium.k8s.namespace.labels.stage": live, pod: b}}'),
    'ingress x/b 80/tcp allow, ingress y/b 80/tcp allow, ingress z/b 80/tcp 133',
  ],
  [
    'a reserved label takes no namespace',
    from('{matchLabels: {"reserved:remote-node": ""}}'),
    'ingress node 80/tcp allow, ingress x/b 80/tcp 133',
  ],
  ['cluster of a selector: this one', from('{matchLabels: {io.cilium.k8s.policy.cluster: default}}'), 'ingress x/b 80/tcp allow'],
  ['cluster of a selector: another', from('{matchLabels: {io.cilium.k8s.policy.cluster: far}}'), 'ingress x/b 80/tcp 133'],
  [
    'two selectors: or',
    from('{matchLabels: {pod: b}}, {matchLabels: {pod: c}}'),
    'ingress x/b 80/tcp allow, ingress x/c 80/tcp allow, ingress x/a 80/tcp 133',
  ],
  ['port and protocol', ports('{port: "80", protocol: TCP}'), 'ingress out 80/tcp allow, ingress out 80/udp 133, ingress out 81/tcp 133'],
  [
    'ANY is TCP, UDP and SCTP, not ICMP',
    ports('{port: "80", protocol: ANY}'),
    'ingress out 80/tcp allow, ingress out 80/udp allow, ingress out 80/sctp allow, ingress out 8/icmp 133',
  ],
  ['no protocol is ANY', ports('{port: "80"}'), 'ingress out 80/sctp allow, ingress out 81/sctp 133'],
  [
    'port 0 is every port',
    ports('{port: "0", protocol: TCP}'),
    'ingress out 1/tcp allow, ingress out 65535/tcp allow, ingress out 80/udp 133',
  ],
  ['port 0 of ANY is no ICMP', ports('{port: "0"}'), 'ingress out 65535/sctp allow, ingress out 8/icmp 133, ingress out 0/gre 133'],
  [
    'endPort',
    ports('{port: "1024", endPort: 2047, protocol: TCP}'),
    'ingress out 1023/tcp 133, ingress out 1024/tcp allow, ingress out 2047/tcp allow, ingress out 2048/tcp 133',
  ],
  [
    'endPort below port counts for nothing',
    ports('{port: "80", endPort: 5, protocol: TCP}'),
    'ingress out 80/tcp allow, ingress out 5/tcp 133',
  ],
  ['a named port on the way in', ports('{port: serve-80-tcp, protocol: TCP}'), 'ingress out 80/tcp allow, ingress out 81/tcp 133'],
  ['a named port in capitals', ports('{port: SERVE-80-TCP, protocol: TCP}'), 'ingress out 80/tcp allow'],
  [
    'a named port on the way out',
    to('toEndpoints: [{matchLabels: {pod: b}}], toPorts: [{ports: [{port: serve-81-udp, protocol: UDP}]}]'),
    'egress x/b 81/udp allow, egress x/b 80/udp 133, egress x/c 81/udp 133',
  ],
  [
    'several ports and rules',
    one(
      'ingress: [{fromEndpoints: [{matchLabels: {pod: b}}], toPorts: [{ports: [{port: "80"}, {port: "81", protocol: UDP}]}, {ports: [{port: "443", protocol: TCP}]}]}]',
    ),
    'ingress x/b 80/tcp allow, ingress x/b 81/udp allow, ingress x/b 81/tcp 133, ingress x/b 443/tcp allow, ingress x/c 80/tcp 133',
  ],
  ['VRRP and IGMP have no ports', ports('{protocol: VRRP}, {port: "0", protocol: IGMP}'), 'ingress out 80/tcp 133'],
  [
    'icmps by number',
    one('ingress: [{icmps: [{fields: [{type: 8}]}]}]'),
    'ingress out 8/icmp allow, ingress out 0/icmp 133, ingress out 8/icmp6 133, ingress out 80/tcp 133',
  ],
  [
    'icmps by name and family',
    one('ingress: [{icmps: [{fields: [{type: EchoRequest, family: IPv6}]}]}]'),
    'ingress out6 128/icmp6 allow, ingress out6 129/icmp6 133, ingress out 8/icmp 133',
  ],
  [
    'icmps of some peers',
    one('ingress: [{fromEndpoints: [{}], icmps: [{fields: [{type: 8}]}]}]'),
    'ingress x/b 8/icmp allow, ingress out 8/icmp 133',
  ],
  ['L3 alone is every protocol', from('{}'), 'ingress x/b 80/tcp allow, ingress x/b 8/icmp allow, ingress x/b 0/gre allow'],
  ['toCIDR takes a bare address', to('toCIDR: [203.0.113.5]'), 'egress out 80/tcp allow, egress out2 80/tcp 133'],
  [
    'toCIDR',
    to('toCIDR: [203.0.113.0/24, "2001:db8::/32"]'),
    'egress out 80/tcp allow, egress out2 8/icmp allow, egress out6 80/tcp allow, egress dns 80/tcp 133',
  ],
  [
    'toCIDRSet with except',
    to('toCIDRSet: [{cidr: 203.0.113.0/24, except: [203.0.113.64/26]}]'),
    'egress out 80/tcp allow, egress out2 80/tcp 133',
  ],
  [
    'toCIDRSet: the hole of one is no hole in another',
    to('toCIDRSet: [{cidr: 203.0.113.0/24, except: [203.0.113.64/26]}, {cidr: 203.0.113.77/32}]'),
    'egress out2 80/tcp allow',
  ],
  ['CIDR does not cover pods', to('toCIDR: [10.0.0.0/8]'), 'egress x/b 80/tcp 133, egress y/b 80/tcp 133'],
  [
    'CIDR does not cover nodes',
    to('toCIDR: [0.0.0.0/0]'),
    'egress host 80/tcp 133, egress node 80/tcp 133, egress out 80/tcp allow, egress out6 80/tcp 133',
  ],
  ['entity world', entity('world'), 'ingress out 80/tcp allow, ingress out6 80/tcp allow, ingress x/b 80/tcp 133, ingress node 80/tcp 133'],
  [
    'entity world takes in ranges that a policy names',
    one('ingress: [{fromEntities: [world]}], egress: [{toCIDR: [203.0.113.5/32, 0.0.0.0/0, "::/0"]}]'),
    'ingress out 80/tcp allow, ingress dns 80/tcp allow, ingress out6 80/tcp allow',
  ],
  ['entity all', entity('all'), 'ingress out 80/tcp allow, ingress node 80/tcp allow, ingress y/b 8/icmp allow'],
  ['entity cluster', entity('cluster'), 'ingress y/b 80/tcp allow, ingress node 80/tcp allow, ingress out 80/tcp 133'],
  [
    'entity host',
    to('toEntities: [host]'),
    'egress host 80/tcp allow, egress probe 80/tcp allow, egress node 80/tcp 133, egress out 80/tcp 133',
  ],
  ['entity remote-node', to('toEntities: [remote-node]'), 'egress node 80/tcp allow, egress host 80/tcp 133'],
  ['entity none', entity('none'), 'ingress x/b 80/tcp 133, ingress out 80/tcp 133'],
  ['entity none beside another', entity('none, world'), 'ingress out 80/tcp allow, ingress x/b 80/tcp 133'],
  [
    'entities without addresses here',
    entity('init, health, unmanaged, ingress, kube-apiserver'),
    'ingress out 80/tcp 133, ingress x/b 80/tcp 133',
  ],
  [
    'toNodes by their labels',
    to('toNodes: [{matchLabels: {zone: two}}]'),
    'egress node 80/tcp allow, egress host 80/tcp 133, egress out 80/tcp 133',
  ],
  [
    'toServices by name: its pods',
    to('toServices: [{k8sService: {serviceName: sb, namespace: y}}]'),
    'egress y/b 80/tcp allow, egress y/a 80/tcp 133, egress x/b 80/tcp 133',
  ],
  [
    'toServices by name: its addresses',
    to('toServices: [{k8sService: {serviceName: ext, namespace: y}}]'),
    'egress out2 80/tcp allow, egress out 80/tcp 133',
  ],
  [
    'toServices with ports',
    to('toServices: [{k8sService: {serviceName: sb, namespace: y}}], toPorts: [{ports: [{port: "80"}]}]'),
    'egress y/b 80/tcp allow, egress y/b 81/tcp 133',
  ],
  [
    'toServices by labels',
    to('toServices: [{k8sServiceSelector: {selector: {matchLabels: {role: data}}}}]'),
    'egress y/b 80/tcp allow, egress out2 80/tcp 133',
  ],
  [
    'toServices by labels, of a namespace',
    to('toServices: [{k8sServiceSelector: {namespace: x, selector: {matchLabels: {role: data}}}}]'),
    'egress y/b 80/tcp 133',
  ],
  ['toServices that is not there', to('toServices: [{k8sService: {serviceName: none, namespace: y}}]'), 'egress y/b 80/tcp 133'],
  ['toFQDNs matchName', to('toFQDNs: [{matchName: API.example.com.}]'), 'egress dns 443/tcp allow, egress out 443/tcp 133'],
  [
    'toFQDNs matchPattern: a star is part of one label',
    to('toFQDNs: [{matchPattern: "*.example.com"}]'),
    'egress dns 443/tcp allow, egress out 443/tcp 133',
  ],
  [
    'toFQDNs matchPattern: two stars are several labels',
    to('toFQDNs: [{matchPattern: "**.example.com"}]'),
    'egress dns 443/tcp allow, egress out 443/tcp allow, egress out2 443/tcp 133',
  ],
  [
    'toFQDNs matchPattern: a star alone is every name',
    to('toFQDNs: [{matchPattern: "*"}]'),
    'egress dns 443/tcp allow, egress out 443/tcp allow, egress out2 443/tcp 133',
  ],
  [
    'toFQDNs with ports',
    to('toFQDNs: [{matchName: api.example.com}], toPorts: [{ports: [{port: "443"}]}]'),
    'egress dns 443/tcp allow, egress dns 80/tcp 133',
  ],
  [
    'toFQDNs and toCIDR in two rules',
    one('egress: [{toFQDNs: [{matchName: api.example.com}]}, {toCIDR: [198.51.100.0/24], toPorts: [{ports: [{port: "80"}]}]}]'),
    'egress dns 443/tcp allow, egress dns 80/tcp allow, egress out 80/tcp 133',
  ],
  [
    'a deny beats an allow',
    one('ingress: [{fromEntities: [all]}], ingressDeny: [{fromEndpoints: [{matchLabels: {pod: b}}]}]'),
    'ingress x/b 80/tcp 181, ingress x/c 80/tcp allow, ingress out 80/tcp allow',
  ],
  [
    'a narrow deny in a broad allow',
    one(
      'ingress: [{fromEndpoints: [{}]}], ingressDeny: [{fromEndpoints: [{}], toPorts: [{ports: [{port: "80", endPort: 82, protocol: TCP}]}]}]',
    ),
    'ingress x/b 79/tcp allow, ingress x/b 80/tcp 181, ingress x/b 82/tcp 181, ingress x/b 83/tcp allow, ingress x/b 80/udp allow',
  ],
  [
    'a broad deny over a narrow allow',
    one(
      'ingress: [{fromEndpoints: [{matchLabels: {pod: b}}], toPorts: [{ports: [{port: "80", protocol: TCP}]}]}], ingressDeny: [{fromEndpoints: [{}]}]',
    ),
    'ingress x/b 80/tcp 181, ingress x/c 80/tcp 181, ingress y/b 80/tcp 133',
  ],
  [
    'a deny of everybody over an allow of one',
    one('ingress: [{fromEndpoints: [{matchLabels: {pod: b}}]}], ingressDeny: [{toPorts: [{ports: [{port: "80", protocol: TCP}]}]}]'),
    'ingress x/b 80/tcp 181, ingress x/b 81/tcp allow',
  ],
  [
    'a deny beats the allow of a NetworkPolicy',
    `${one('ingressDeny: [{fromEndpoints: [{matchLabels: {pod: b}}]}]')}---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: n, namespace: x}\nspec: {podSelector: {}, ingress: [{}]}\n`,
    'ingress x/b 80/tcp 181, ingress x/c 80/tcp allow, ingress out 80/tcp allow',
  ],
  [
    'an egressDeny of a service',
    one('egress: [{toEntities: [all]}], egressDeny: [{toServices: [{k8sService: {serviceName: sb, namespace: y}}]}]'),
    'egress y/b 80/tcp 181, egress y/a 80/tcp allow',
  ],
  [
    'the local host always reaches its pods',
    one('ingressDeny: [{fromEntities: [host]}]'),
    'ingress host 80/tcp allow, ingress probe 80/tcp allow, ingress node 80/tcp 133',
  ],
];

const cases = tables.flatMap(([field, yaml, rows]) => {
  const policies = policiesOf(yaml);
  return rows.split(', ').map((row) => ({ field, policies, row }));
});

describe('CiliumNetworkPolicy', () => {
  it.each(cases)('$field: $row', ({ policies, row }) => {
    const [direction, peer = '', port = '', expected] = row.split(' ');
    expect(policies.flatMap(({ problems }) => problems)).toEqual([]);
    const flow = flowOf(direction === 'egress' ? 'egress' : 'ingress', 'x/a', peer, port);
    expect(String(new Judge(policies).ask(flow))).toBe(expected);
  });

  it('a policy of one namespace leaves the others alone', () => {
    expect(new Judge(policiesOf(one('ingress: [{}]'))).ask(flowOf('ingress', 'y/a', 'x/b', '80/tcp'))).toBe('allow');
  });
});
