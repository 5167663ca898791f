import { parse } from 'yaml';
import type { PolicyManifest } from '../../src/manifests/types.ts';
import { PolicyCompiler } from '../../src/policy/compiler.ts';
import { evaluate } from '../../src/policy/evaluate.ts';
import { PolicyTables } from '../../src/policy/lookup.ts';
import type { CompiledPolicy, Identity, Policy, PolicyCluster, PolicyFlow, PolicyPod } from '../../src/policy/types.ts';
import { readManifests, readPolicies } from './policy-set.ts';

const pods = ['x/a', 'x/b', 'x/c', 'y/a', 'y/b', 'y/c', 'z/a', 'z/b', 'z/c'];

/** Who may be at the other end, with the address that it speaks from. */
export const addresses: Readonly<Record<string, string>> = {
  ...Object.fromEntries(pods.map((name, index) => [name, `10.0.${Math.floor(index / 3)}.${(index % 3) + 1}`])),
  // other addresses of the same
  'x/a6': 'fd00::1',
  'y/b6': 'fd00::22',
  host: '192.168.9.1',
  probe: '169.254.7.127',
  node: '192.168.9.2',
  out: '203.0.113.5',
  out2: '203.0.113.77',
  out6: '2001:db8::5',
  dns: '198.51.100.8',
};

/** Nine pods, three namespaces, as in cyclonus: labels `pod` and `ns`; each pod names its ports 80 and 81 for TCP, UDP and SCTP. */
export const world: PolicyCluster = {
  pods: pods.map((full, index): PolicyPod => {
    const [namespace = '', name = ''] = full.split('/');
    const other = full === 'x/a' ? ['fd00::1'] : full === 'y/b' ? ['fd00::22'] : [];
    return {
      name,
      namespace,
      labels: { pod: name, 'controller-revision-hash': `rev-${index % 2}` },
      serviceAccount: name === 'c' ? 'special' : 'default',
      addresses: [addresses[full] ?? '', ...other],
      namedPorts: [80, 81].flatMap((port) =>
        [
          { text: 'tcp', protocol: 6 },
          { text: 'udp', protocol: 17 },
          { text: 'sctp', protocol: 132 },
        ].map(({ text, protocol }) => ({ name: `serve-${port}-${text}`, protocol, port })),
      ),
      hostNetwork: false,
      local: index % 2 === 0,
      workload: null,
    };
  }),
  namespaces: ['x', 'y', 'z'].map((name) => ({ name, labels: { ns: name, ...(name === 'z' ? {} : { stage: 'live' }) } })),
  services: [
    {
      name: 'sb',
      namespace: 'y',
      labels: { role: 'data' },
      selector: { pod: 'b' },
      clusterIPs: ['10.96.0.5'],
      ports: [],
      externalEndpoints: [],
    },
    { name: 'ext', namespace: 'y', labels: { role: 'old' }, selector: {}, clusterIPs: [], ports: [], externalEndpoints: ['203.0.113.77'] },
  ],
  nodes: [
    { name: 'here', labels: { zone: 'one' }, addresses: ['192.168.9.1'], local: true },
    { name: 'there', labels: { zone: 'two' }, addresses: ['192.168.9.2'], local: false },
  ],
  names: new Map([
    ['api.example.com', ['198.51.100.8']],
    ['deep.api.example.com', ['203.0.113.5']],
  ]),
};

/** Manifests from YAML documents separated by `---`. */
export function manifestsOf(yaml: string): readonly PolicyManifest[] {
  return readManifests(documentsOf(yaml));
}

/** As `manifestsOf`, in the common form. */
export function policiesOf(yaml: string): readonly Policy[] {
  return readPolicies(documentsOf(yaml));
}

function documentsOf(yaml: string): object[] {
  return yaml.split(/^---$/m).map((document): object => parse(document));
}

/** What policies say, by both ways of asking, which must agree. */
export class Judge {
  readonly #policies: readonly Policy[];
  readonly #cluster: PolicyCluster;
  readonly #tables: PolicyTables;

  constructor(policies: readonly Policy[], cluster: PolicyCluster = world) {
    this.#policies = policies;
    this.#cluster = cluster;
    this.#tables = new PolicyTables(new PolicyCompiler().compile(policies, cluster));
  }

  /** `allow`, or the reason for the drop. Throws where the evaluator and the tables differ. */
  ask(flow: PolicyFlow): 'allow' | 133 | 181 | 203 {
    const plain = evaluate(this.#policies, this.#cluster, flow);
    const table = this.#tables.lookup(flow);
    if (plain.verdict !== table.verdict || plain.reason !== table.reason) {
      throw new Error(
        `the evaluator says ${plain.verdict} ${plain.reason}, the tables ${table.verdict} ${table.reason}: ${JSON.stringify(flow)}`,
      );
    }
    return plain.reason ?? 'allow';
  }
}

const protocols: Readonly<Record<string, number>> = { tcp: 6, udp: 17, sctp: 132, icmp: 1, icmp6: 58, gre: 47 };

/** `80/tcp`, `8/icmp` (a type), `0/gre` as protocol and port. */
export function portOf(text: string): { protocol: number; port: number } {
  const [number = '', name = ''] = text.split('/');
  const protocol = protocols[name];
  if (protocol === undefined) throw new Error(`no protocol: ${text}`);
  return { protocol, port: name.startsWith('icmp') ? Number(number) << 8 : Number(number) };
}

/** A flow between two of `addresses`, as the policy of `subject` sees it. */
export function flowOf(direction: 'ingress' | 'egress', subject: string, peer: string, port: string): PolicyFlow {
  const address = (name: string) => {
    const found = addresses[name];
    if (found === undefined) throw new Error(`nobody is called ${name}`);
    return found;
  };
  const [source, destination] = direction === 'ingress' ? [peer, subject] : [subject, peer];
  return { direction, source: address(source), destination: address(destination), ...portOf(port) };
}

/** The identity that an address of `addresses` has. */
export const identityOf = (compiled: CompiledPolicy, name: string): Identity => {
  const id = new PolicyTables(compiled).identityOf(addresses[name] ?? '');
  const identity = compiled.identities.find((item) => item.id === id);
  if (identity === undefined) throw new Error(`${name} has no identity`);
  return identity;
};

/** A pod of namespace x with a label of its own. */
export const newPod = (name: string, change: Partial<PolicyPod> = {}): PolicyPod => {
  const [first] = world.pods;
  if (first === undefined) throw new Error('no pods');
  return { ...first, name, namespace: 'x', labels: { pod: name }, addresses: ['10.0.7.7'], ...change };
};

/** The world with more pods in it. */
export const withPods = (...pods: PolicyPod[]): PolicyCluster => ({ ...world, pods: [...world.pods, ...pods] });
