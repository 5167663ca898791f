import { parseCidrOrIp } from '../../src/pods/address.ts';
import { inNamespace } from '../../src/policy/selectors.ts';
import type { Policy, PolicyCluster, PolicyPod, PolicyRule } from '../../src/policy/types.ts';

/** A cluster of `identities` pods with labels of their own, in namespaces of 50, and policies with `rules` rules in all. */
export function largePolicySet(identities: number, rules: number): { policies: readonly Policy[]; cluster: PolicyCluster } {
  const namespaces = Math.ceil(identities / 50);
  const pods = Array.from({ length: identities }, (_, index) => largePod(index));
  const perPolicy = 4;
  const policies = Array.from({ length: Math.ceil(rules / perPolicy) }, (_, index) => largePolicy(index, identities, perPolicy));
  return {
    policies,
    cluster: {
      pods,
      namespaces: Array.from({ length: namespaces }, (_, index) => ({ name: `ns-${index}`, labels: { team: `team-${index % 20}` } })),
      services: [],
      nodes: [{ name: 'here', labels: {}, addresses: ['192.168.0.1'], local: true }],
      names: new Map(),
    },
  };
}

export function largePod(index: number): PolicyPod {
  return {
    name: `pod-${index}`,
    namespace: `ns-${Math.floor(index / 50)}`,
    labels: { app: `app-${index % 50}`, tier: index % 2 === 0 ? 'front' : 'back' },
    serviceAccount: 'default',
    addresses: [`10.${128 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`],
    namedPorts: [{ name: 'http', protocol: 6, port: 8080 }],
    hostNetwork: false,
    local: index % 50 === 0,
    workload: null,
  };
}

/** Selects one app of one namespace; its rules name apps of the namespace, another namespace's app and a range outside. */
export function largePolicy(index: number, identities: number, rules: number): Policy {
  const namespaces = Math.ceil(identities / 50);
  const namespace = `ns-${index % namespaces}`;
  const app = (number: number) => ({ source: 'any', key: 'app', operator: 'In' as const, values: [`app-${number % 50}`] });
  const rule = (place: number): PolicyRule => {
    const port = { kind: 'range' as const, protocol: 6, first: 8000 + ((index + place) % 100), last: 8000 + ((index + place) % 100) };
    const cidr = parseCidrOrIp(`172.${16 + (index % 16)}.${(index >> 4) & 255}.0/24`);
    if (cidr === null) throw new Error('no range');
    const peers =
      place % 4 === 3
        ? [{ kind: 'cidr' as const, cidr, except: [], inCluster: false }]
        : [
            {
              kind: 'endpoints' as const,
              selector: [inNamespace(place % 4 === 2 ? `ns-${(index + 7) % namespaces}` : namespace), app(index + place)],
            },
          ];
    return {
      direction: place % 2 === 0 ? 'ingress' : 'egress',
      action: place === 1 && index % 10 === 0 ? 'deny' : 'allow',
      rank: 1,
      index: place,
      name: null,
      peers: { kind: 'some', peers },
      ports: [port],
      l7: false,
    };
  };
  return {
    reference: { kind: 'CiliumNetworkPolicy', namespace, name: `policy-${index}` },
    problems: [],
    sections: [
      {
        index: 0,
        subject: [inNamespace(namespace), app(Math.floor(index / namespaces))],
        tier: 'normal',
        defaultDeny: { ingress: true, egress: true },
        rules: Array.from({ length: rules }, (_, place) => rule(place)),
      },
    ],
  };
}
