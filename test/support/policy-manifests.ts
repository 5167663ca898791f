import type { Random } from './random.ts';

// Valid manifests of each kind, with the corners that decide: absent against empty lists, exceptions, ranges, names, overlaps.

const namespaces = ['a', 'b', 'c'];
const cidrs = [
  '0.0.0.0/0',
  '::/0',
  '172.20.0.0/16',
  '172.20.1.0/24',
  '172.20.1.5/32',
  '203.0.113.0/24',
  '10.244.0.0/16',
  '10.244.0.4/31',
  '192.168.7.0/26',
  '2001:db8::/32',
  'fd00:10:244::/64',
  '8.0.0.0/7',
];
const blocks: readonly { cidr: string; except: string[] }[] = [
  { cidr: '172.20.0.0/16', except: ['172.20.1.0/24'] },
  { cidr: '0.0.0.0/0', except: ['10.0.0.0/8', '203.0.113.128/25'] },
  { cidr: '10.244.0.0/16', except: ['10.244.0.4/31'] },
  { cidr: '::/0', except: ['2001:db8:1::/48'] },
];

const maybe = <T>(random: Random, probability: number, field: string, make: () => T): Record<string, T> =>
  random.chance(probability) ? { [field]: make() } : {};

function labelSelector(random: Random, keys: Readonly<Record<string, readonly string[]>>): object {
  const names = Object.keys(keys);
  const kind = random.below(6);
  if (kind === 0) return {};
  const key = random.pick(names);
  const values = keys[key] ?? [];
  if (kind <= 3) return { matchLabels: { [key]: random.pick(values) } };
  const operator = random.pick(['In', 'NotIn', 'Exists', 'DoesNotExist']);
  const needed = operator === 'In' || operator === 'NotIn';
  return { matchExpressions: [{ key, operator, ...(needed ? { values: random.some(1, 2, () => random.pick(values)) } : {}) }] };
}

const podKeys = { app: ['web', 'db', 'cache'], tier: ['front', 'back'], 'pod-template-hash': ['aa', 'bb'] };
const namespaceKeys = { team: ['red', 'blue'], env: ['prod'], 'kubernetes.io/metadata.name': ['a', 'b', 'c'] };

const podSelector = (random: Random) => labelSelector(random, podKeys);
const namespaceSelector = (random: Random) => labelSelector(random, namespaceKeys);

/** A NetworkPolicy. */
export function networkPolicy(random: Random, name: string): object {
  const peer = () => {
    const kind = random.below(4);
    if (kind === 0) return { ipBlock: random.chance(0.5) ? { cidr: random.pick(cidrs) } : random.pick(blocks) };
    return {
      ...(kind !== 1 ? { podSelector: podSelector(random) } : {}),
      ...(kind !== 2 ? { namespaceSelector: namespaceSelector(random) } : {}),
    };
  };
  const port = () => {
    const kind = random.below(5);
    const protocol = maybe(random, 0.6, 'protocol', () => random.pick(['TCP', 'UDP', 'SCTP']));
    if (kind === 0) return protocol;
    if (kind === 1) return { ...protocol, port: random.pick(['http', 'dns']) };
    if (kind === 2) return { ...protocol, port: random.pick([79, 1024, 1]), endPort: random.pick([1024, 2047, 65535]) };
    return { ...protocol, port: random.pick([53, 80, 443, 5432, 8080]) };
  };
  const rule = (side: 'from' | 'to') => () => ({
    ...maybe(random, 0.8, side, () => random.some(0, 3, peer)),
    ...maybe(random, 0.5, 'ports', () => random.some(0, 3, port)),
  });
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name, namespace: random.pick(namespaces) },
    spec: {
      podSelector: podSelector(random),
      ...maybe(random, 0.5, 'policyTypes', () => random.pick([['Ingress'], ['Egress'], ['Ingress', 'Egress']])),
      ...maybe(random, 0.7, 'ingress', () => random.some(0, 3, rule('from'))),
      ...maybe(random, 0.6, 'egress', () => random.some(0, 3, rule('to'))),
    },
  };
}

/** A ClusterNetworkPolicy. */
export function clusterNetworkPolicy(random: Random, name: string): object {
  const pods = () =>
    random.chance(0.5)
      ? { namespaces: namespaceSelector(random) }
      : { pods: { namespaceSelector: namespaceSelector(random), podSelector: podSelector(random) } };
  const protocol = () => {
    const kind = random.below(4);
    if (kind === 0) return { destinationNamedPort: random.pick(['http', 'dns']) };
    const port =
      kind === 1
        ? { range: { start: random.pick([1, 79]), end: random.pick([1024, 65535]) } }
        : { number: random.pick([53, 80, 443, 8080]) };
    return { [random.pick(['tcp', 'udp', 'sctp'])]: { destinationPort: port } };
  };
  const rule = (egress: boolean) => () => {
    const action = random.pick(['Accept', 'Deny', 'Pass']);
    const names = maybe(random, 0.5, 'protocols', () => random.some(1, 2, protocol));
    const outer = () => {
      const kind = random.below(action === 'Accept' ? 3 : 2);
      if (kind === 0) return { networks: random.some(1, 2, () => random.pick(cidrs)) };
      if (kind === 1) return { nodes: labelSelector(random, { zone: ['x', 'y'] }) };
      return { domainNames: [random.pick(['api.example.com', '*.example.com', '*.example.org'])] };
    };
    const unknown = random.chance(0.05) ? [{ somethingNew: {} }] : [];
    const named = (names.protocols ?? []).some((item) => 'destinationNamedPort' in item);
    const peers = [...random.some(1, 3, () => (egress && !named && random.chance(0.5) ? outer() : pods())), ...unknown];
    return { action, ...(egress ? { to: peers } : { from: peers }), ...names };
  };
  return {
    apiVersion: 'policy.networking.k8s.io/v1alpha2',
    kind: 'ClusterNetworkPolicy',
    metadata: { name },
    spec: {
      tier: random.pick(['Admin', 'Baseline']),
      priority: random.pick([0, 1, 10, 10, 999, 1000]),
      subject: pods(),
      ...maybe(random, 0.8, 'ingress', () => random.some(0, 4, rule(false))),
      ...maybe(random, 0.8, 'egress', () => random.some(0, 4, rule(true))),
    },
  };
}

/** A CiliumNetworkPolicy or CiliumClusterwideNetworkPolicy. */
export function ciliumPolicy(random: Random, name: string): object {
  const clusterwide = random.chance(0.3);
  const selector = () => {
    const kind = random.below(8);
    if (kind === 0) return { matchLabels: { 'k8s:io.kubernetes.pod.namespace': random.pick(namespaces), app: random.pick(['web', 'db']) } };
    if (kind === 1) return { matchLabels: { 'k8s:io.cilium.k8s.namespace.labels.team': random.pick(['red', 'blue']) } };
    if (kind === 2)
      return { matchLabels: { [random.pick(['reserved:host', 'reserved:remote-node', 'reserved:world', 'reserved:kube-apiserver'])]: '' } };
    if (kind === 3) return { matchLabels: { 'io.cilium.k8s.policy.serviceaccount': random.pick(['default', 'admin']) } };
    return labelSelector(random, podKeys);
  };
  const entity = () => random.pick(['all', 'world', 'cluster', 'host', 'remote-node', 'kube-apiserver', 'none', 'init']);
  const l3 = (side: 'from' | 'to', deny: boolean) => {
    const member = random.pick([
      'none',
      'Endpoints',
      'Endpoints',
      'Endpoints',
      'CIDR',
      'CIDRSet',
      'Entities',
      'Nodes',
      ...(side === 'to' ? ['Services'] : []),
      ...(side === 'to' && !deny ? ['FQDNs'] : []),
    ]);
    const makers: Readonly<Record<string, () => unknown>> = {
      Endpoints: () => random.some(0, 3, selector),
      CIDR: () => random.some(1, 3, () => random.pick([...cidrs, '203.0.113.7', '2001:db8::1'])),
      CIDRSet: () => random.some(1, 2, () => (random.chance(0.3) ? { cidr: random.pick(cidrs) } : random.pick(blocks))),
      Entities: () => random.some(1, 2, entity),
      Nodes: () => random.some(1, 2, () => ({ matchLabels: { zone: random.pick(['x', 'y']) } })),
      Services: () =>
        random.some(1, 2, () =>
          random.pick([
            { k8sService: { serviceName: 'web', namespace: 'a' } },
            { k8sService: { serviceName: 'legacy', namespace: 'b' } },
            { k8sServiceSelector: { selector: { matchLabels: { kind: random.pick(['inner', 'outer']) } } } },
          ]),
        ),
      FQDNs: () =>
        random.some(1, 2, () =>
          random.pick([
            { matchName: 'api.example.com' },
            { matchPattern: '*.example.com' },
            { matchPattern: '**.example.com' },
            { matchPattern: '*' },
          ]),
        ),
    };
    const make = makers[member];
    return make === undefined ? {} : { [`${side}${member}`]: make() };
  };
  const port = () => {
    const kind = random.below(6);
    const protocol = maybe(random, 0.7, 'protocol', () => random.pick(['TCP', 'UDP', 'SCTP', 'ANY']));
    if (kind === 0) return { ...protocol, port: random.pick(['http', 'dns']) };
    if (kind === 1) return { ...protocol, port: '0' };
    if (kind === 2) return { ...protocol, port: random.pick(['79', '1024', '1']), endPort: random.pick([1024, 2047, 65535, 5]) };
    return { ...protocol, port: random.pick(['53', '80', '443', '5432', '8080']) };
  };
  const l4 = () => {
    const kind = random.below(5);
    if (kind <= 1) return {};
    if (kind === 2)
      return {
        icmps: [
          { fields: random.some(1, 2, () => ({ family: random.pick(['IPv4', 'IPv6']), type: random.pick([0, 3, 8, 128, 'EchoReply']) })) },
        ],
      };
    return { toPorts: random.some(0, 2, () => ({ ports: random.some(0, 3, port) })) };
  };
  const rule = (side: 'from' | 'to', deny: boolean) => () => ({ ...l3(side, deny), ...l4() });
  const spec = () => {
    const lists = {
      ...maybe(random, 0.6, 'ingress', () => random.some(1, 3, rule('from', false))),
      ...maybe(random, 0.4, 'ingressDeny', () => random.some(0, 2, rule('from', true))),
      ...maybe(random, 0.5, 'egress', () => random.some(0, 3, rule('to', false))),
      ...maybe(random, 0.3, 'egressDeny', () => random.some(0, 2, rule('to', true))),
    };
    const empty = Object.values(lists).every((list) => list.length === 0);
    return {
      endpointSelector: random.chance(0.3) ? {} : labelSelector(random, podKeys),
      ...(empty ? { ingress: [{}] } : lists),
      ...maybe(random, 0.3, 'enableDefaultDeny', () => ({
        ...maybe(random, 0.7, 'ingress', () => random.chance(0.4)),
        ...maybe(random, 0.7, 'egress', () => random.chance(0.4)),
      })),
    };
  };
  return {
    apiVersion: 'cilium.io/v2',
    kind: clusterwide ? 'CiliumClusterwideNetworkPolicy' : 'CiliumNetworkPolicy',
    metadata: { name, ...(clusterwide ? {} : { namespace: random.pick(namespaces) }) },
    ...(random.chance(0.2) ? { specs: random.some(1, 2, spec) } : { spec: spec() }),
  };
}
