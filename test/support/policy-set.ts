import { parseManifests } from '../../src/manifests/parse.ts';
import type { PolicyManifest } from '../../src/manifests/types.ts';
import { toPolicy } from '../../src/policy/model.ts';
import type { Policy, PolicyCluster, PolicyFlow, PolicyPod } from '../../src/policy/types.ts';
import { ciliumPolicy, clusterNetworkPolicy, networkPolicy } from './policy-manifests.ts';
import { Random } from './random.ts';

/** Policies of every kind, a small cluster, and flows that meet the edges of both. The same seed gives the same set. */
export interface PolicySet {
  /** As they would be applied. */
  readonly manifests: readonly object[];
  readonly policies: readonly Policy[];
  readonly cluster: PolicyCluster;
  /** One side of each is a pod of the cluster whose policy is asked. */
  readonly flows: readonly PolicyFlow[];
}

const outside = [
  '172.20.1.5',
  '172.20.9.9',
  '172.21.0.1',
  '8.8.8.8',
  '203.0.113.7',
  '203.0.113.200',
  '2001:db8::1',
  '2001:db8:1::9',
  '2606:4700::1',
];
const protocols = [6, 6, 6, 17, 132, 1, 58, 47];
const ports = [0, 1, 53, 79, 80, 81, 443, 1024, 2047, 2048, 5432, 8080, 8081, 9090, 32768, 65535];

/** `flows` is how many flows to make. */
export function generatePolicySet(seed: number, flows = 40): PolicySet {
  const random = new Random(seed);
  const cluster = generateCluster(random);
  const manifests = Array.from({ length: 1 + random.below(6) }, (_, index) => {
    const make = random.pick([ciliumPolicy, ciliumPolicy, networkPolicy, clusterNetworkPolicy]);
    return make(random, `p${index}`);
  });
  return {
    manifests,
    policies: readPolicies(manifests),
    cluster,
    flows: Array.from({ length: flows }, () => generateFlow(random, cluster)),
  };
}

/** Reads manifests as an apply would. */
export function readManifests(manifests: readonly object[]): readonly PolicyManifest[] {
  const text = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: manifests });
  return parseManifests(text, 'generated.json').manifests.map(asPolicy);
}

/** Reads manifests and brings them into the common form; conditions on messages are left to a proxy. */
export function readPolicies(manifests: readonly object[]): readonly Policy[] {
  return readManifests(manifests).map((manifest) => toPolicy(manifest, { l7: 'ports' }));
}

function asPolicy(manifest: ReturnType<typeof parseManifests>['manifests'][number]): PolicyManifest {
  switch (manifest.kind) {
    case 'CiliumNetworkPolicy':
    case 'CiliumClusterwideNetworkPolicy':
    case 'NetworkPolicy':
    case 'ClusterNetworkPolicy':
      return manifest;
    default:
      throw new Error(`not a policy: ${manifest.kind}`);
  }
}

function generateCluster(random: Random): PolicyCluster {
  const pods = Array.from({ length: 4 + random.below(8) }, (_, index): PolicyPod => {
    const hostNetwork = random.chance(0.06);
    const local = random.chance(0.6);
    const app = random.pick(['web', 'db', 'cache']);
    const own = [`10.244.${random.below(2)}.${index + 2}`, ...(random.chance(0.4) ? [`fd00:10:244::${(index + 2).toString(16)}`] : [])];
    const labels: Record<string, string> = { app };
    if (random.chance(0.5)) labels.tier = random.pick(['front', 'back']);
    if (random.chance(0.3)) labels['pod-template-hash'] = random.pick(['aa', 'bb']);
    return {
      name: `pod-${index}`,
      namespace: random.pick(['a', 'b', 'c']),
      labels,
      serviceAccount: random.pick(['default', 'admin']),
      addresses: hostNetwork ? [local ? '192.168.7.1' : '192.168.7.2'] : own,
      namedPorts: [
        ...(random.chance(0.6) ? [{ name: 'http', protocol: 6, port: random.pick([80, 8080]) }] : []),
        ...(random.chance(0.3) ? [{ name: 'dns', protocol: 17, port: 53 }] : []),
      ],
      hostNetwork,
      local,
      workload: null,
    };
  });
  return {
    pods,
    namespaces: [
      { name: 'a', labels: { team: 'red', env: 'prod' } },
      { name: 'b', labels: { team: 'blue', env: 'prod' } },
    ],
    services: [
      {
        name: 'web',
        namespace: 'a',
        labels: { kind: 'inner' },
        selector: { app: 'web' },
        clusterIPs: ['10.96.0.10'],
        ports: [],
        externalEndpoints: [],
      },
      {
        name: 'legacy',
        namespace: 'b',
        labels: { kind: 'outer' },
        selector: {},
        clusterIPs: [],
        ports: [],
        externalEndpoints: ['203.0.113.7'],
      },
      ...(random.chance(0.3)
        ? [
            {
              name: 'kubernetes',
              namespace: 'default',
              labels: {},
              selector: {},
              clusterIPs: ['10.96.0.1'],
              ports: [],
              externalEndpoints: [random.pick(['8.8.8.8', '192.168.7.1', '192.168.7.2'])],
            },
          ]
        : []),
    ],
    nodes: random.chance(0.8)
      ? [
          { name: 'one', labels: { zone: 'x' }, addresses: ['192.168.7.1', 'fd00:7::1'], local: true },
          { name: 'two', labels: { zone: 'y' }, addresses: ['192.168.7.2', '192.168.7.3'], local: false },
          { name: 'three', labels: {}, addresses: ['192.168.7.66'], local: false },
        ]
      : [],
    names: new Map(
      random.chance(0.6)
        ? [
            ['api.example.com', ['203.0.113.7', '2606:4700::1']],
            ['deep.api.example.com', ['203.0.113.200', '172.20.1.5']],
            ['inner.example.org', [pods[0]?.addresses[0] ?? '10.244.0.2', '8.8.8.8']],
          ]
        : [],
    ),
  };
}

function generateFlow(random: Random, cluster: PolicyCluster): PolicyFlow {
  const ownPods = cluster.pods.filter(({ hostNetwork }) => !hostNetwork);
  const own = random.pick(ownPods.length > 0 ? ownPods : cluster.pods);
  const subject = random.pick(own.addresses);
  const everyone = cluster.pods.flatMap(({ addresses }) => addresses);
  const special = ['192.168.7.1', '192.168.7.2', '192.168.7.66', 'fd00:7::1', '169.254.7.127', 'fd16:9254:7127:1337:ffff:ffff:ffff:ffff'];
  const peer = random.pick(random.pick([everyone, everyone, outside, special]));
  const protocol = random.pick(protocols);
  const type = random.pick([0, 3, 8, 128, 129]) << 8;
  const port = protocol === 1 || protocol === 58 ? type + random.below(3) : protocol === 47 ? 0 : random.pick(ports);
  return random.chance(0.5)
    ? { direction: 'ingress', source: peer, destination: subject, protocol, port }
    : { direction: 'egress', source: subject, destination: peer, protocol, port };
}
