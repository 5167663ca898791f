import { describe, expect, it } from 'vitest';
import { flowOf, identityOf, newPod, policiesOf, withPods, world } from '../../test/support/policy-world.ts';
import { PolicyCompiler } from './compiler.ts';
import { PolicyTables } from './lookup.ts';
import type { CompiledPolicy } from './types.ts';

const cilium = (name: string, spec: string) =>
  `apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: ${name}, namespace: x}\nspec: ${spec}\n`;
const network = (name: string, spec: string) =>
  `apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: ${name}, namespace: x}\nspec: ${spec}\n`;
const of = (...documents: string[]) => policiesOf(documents.join('---\n'));

describe('identities', () => {
  const compiled = new PolicyCompiler().compile([], world);

  it('PolicyCompiler.compile() gives pods the labels that Cilium shows, without those that its filter leaves out', () => {
    expect(identityOf(compiled, 'x/a').labels).toEqual([
      'k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name=x',
      'k8s:io.cilium.k8s.namespace.labels.ns=x',
      'k8s:io.cilium.k8s.namespace.labels.stage=live',
      'k8s:io.cilium.k8s.policy.cluster=default',
      'k8s:io.cilium.k8s.policy.serviceaccount=default',
      'k8s:io.kubernetes.pod.namespace=x',
      'k8s:pod=a',
    ]);
  });

  it('PolicyCompiler.compile() numbers from 256 for pods and keeps the reserved ones', () => {
    expect(identityOf(compiled, 'x/a').id).toBeGreaterThanOrEqual(256);
    expect([
      identityOf(compiled, 'host').id,
      identityOf(compiled, 'probe').id,
      identityOf(compiled, 'node').id,
      identityOf(compiled, 'out').id,
    ]).toEqual([1, 1, 6, 2]);
    expect(
      compiled.identities
        .filter(({ id }) => id < 256)
        .map(({ id }) => id)
        .sort(),
    ).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(compiled.identities.find(({ id }) => id === 1)?.labels).toEqual(['reserved:host']);
  });

  it('PolicyCompiler.compile() puts the two addresses of Istio’s probes and those of the node under the host', () => {
    const host = compiled.ipcache.filter(({ identity }) => identity === 1).map(({ prefix }) => prefix);
    expect(host.sort()).toEqual(['169.254.7.127/32', '192.168.9.1/32', 'fd16:9254:7127:1337:ffff:ffff:ffff:ffff/128']);
  });

  it('PolicyCompiler.compile() gives both addresses of a pod its identity, and pods with equal labels one', () => {
    const twin = new PolicyCompiler().compile([], withPods(newPod('twin', { labels: { pod: 'a' } })));
    expect(identityOf(twin, 'x/a6').id).toBe(identityOf(twin, 'x/a').id);
    expect(twin.endpoints.find(({ name }) => name === 'twin')?.identity).toBe(identityOf(twin, 'x/a').id);
  });

  it('PolicyCompiler.compile() gives every range that a policy names an identity from 1 << 24, with its label', () => {
    const policy = of(
      cilium(
        'p',
        '{endpointSelector: {}, egress: [{toCIDRSet: [{cidr: 203.0.113.0/24, except: [203.0.113.64/26]}]}, {toCIDR: ["2001:db8::/32", 0.0.0.0/0, "::/0"]}]}',
      ),
    );
    const ranged = new PolicyCompiler().compile(policy, world);
    const [out, out2, out6, dns] = ['out', 'out2', 'out6', 'dns'].map((name) => identityOf(ranged, name));
    expect(out?.id).toBeGreaterThanOrEqual(2 ** 24);
    expect(new Set([out?.id, out2?.id, out6?.id, dns?.id]).size).toBe(4);
    expect(out?.labels).toEqual(['cidr:203.0.113.0/24', 'reserved:world']);
    expect(out2?.labels).toEqual(['cidr:203.0.113.64/26', 'reserved:world']);
    expect(out6?.labels).toEqual(['cidr:2001-db8--0/32', 'reserved:world']);
    expect(dns).toMatchObject({ id: 9, labels: ['reserved:world', 'reserved:world-ipv4'] });
    expect(ranged.ipcache).toContainEqual({ prefix: '::/0', identity: 10 });
  });

  it('PolicyCompiler.compile() tells pods apart by a label that the filter leaves out once a policy names it', () => {
    const twin = withPods(newPod('twin', { labels: { pod: 'a', 'controller-revision-hash': 'rev-9' } }));
    const compiler = new PolicyCompiler();
    const equal = (result: CompiledPolicy) =>
      identityOf(result, 'x/a').id === result.endpoints.find(({ name }) => name === 'twin')?.identity;
    expect(equal(compiler.compile([], twin))).toBe(true);
    const policy = of(network('p', '{podSelector: {matchLabels: {controller-revision-hash: rev-9}}}'));
    expect(equal(compiler.compile(policy, twin))).toBe(false);
    expect(equal(compiler.compile([], twin))).toBe(true);
  });

  it('PolicyCompiler.compile() does not believe a pod that gives itself another namespace', () => {
    const liar = newPod('liar', {
      labels: { pod: 'b', 'io.kubernetes.pod.namespace': 'y', 'io.cilium.k8s.policy.serviceaccount': 'special' },
    });
    const result = new PolicyCompiler().compile([], withPods(liar));
    const id = result.endpoints.find(({ name }) => name === 'liar')?.identity;
    expect(id).toBe(identityOf(result, 'x/b').id);
  });

  it('PolicyCompiler.compile() gives pods on the host network the identity of their node', () => {
    const result = new PolicyCompiler().compile(of(cilium('p', '{endpointSelector: {}, ingress: [{}]}')), {
      ...withPods(
        newPod('here', { hostNetwork: true, addresses: ['192.168.9.5'] }),
        newPod('there', { hostNetwork: true, local: false, addresses: ['192.168.9.6'] }),
      ),
      nodes: [],
    });
    expect(result.endpoints.some(({ name }) => name === 'here')).toBe(false);
    const tables = new PolicyTables(result);
    expect([tables.identityOf('192.168.9.5'), tables.identityOf('192.168.9.6')]).toEqual([1, 6]);
  });

  it('PolicyCompiler.compile() knows the API server by the Endpoints of the Service default/kubernetes', () => {
    const service = {
      name: 'kubernetes',
      namespace: 'default',
      labels: {},
      selector: {},
      clusterIPs: [],
      ports: [],
      externalEndpoints: ['203.0.113.5'],
    };
    const policy = of(cilium('p', '{endpointSelector: {}, egress: [{toEntities: [kube-apiserver]}]}'));
    const result = new PolicyCompiler().compile(policy, { ...world, services: [service] });
    expect(identityOf(result, 'out')).toMatchObject({ id: 7, labels: ['reserved:kube-apiserver', 'reserved:world'] });
    expect(new PolicyTables(result).lookup(flowOf('egress', 'x/a', 'out', '443/tcp')).verdict).toBe('allow');
    expect(new PolicyTables(result).lookup(flowOf('egress', 'x/a', 'out2', '443/tcp')).verdict).toBe('deny');
  });
});
