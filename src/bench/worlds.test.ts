import { describe, expect, it } from 'vitest';
import { parseManifests } from '../manifests/parse.ts';
import type { Configuration } from './types.ts';
import { configurationKinds } from './types.ts';
import { isProxied, manifestsOf, pairsOf } from './worlds.ts';

const all: readonly Configuration[] = configurationKinds.flatMap((kind): readonly Configuration[] =>
  kind === 'policy' ? [10, 1000].map((rules) => ({ name: `policy ${rules}`, kind, rules })) : [{ name: kind, kind, rules: null }],
);
const pairs = pairsOf(all, ['off', 'on']);

describe('pairsOf()', () => {
  it('has a pair per mode of mutual TLS where there are proxies, and one elsewhere', () => {
    expect(pairs.map(({ configuration, mtls }) => `${configuration.name} ${mtls}`)).toEqual([
      'none null',
      'iptables off',
      'iptables on',
      'ebpf off',
      'ebpf on',
      'proxies+accelerate off',
      'proxies+accelerate on',
      'ebpf+accelerate off',
      'ebpf+accelerate on',
      'direct+accelerate null',
      'policy 10 null',
      'policy 1000 null',
    ]);
  });

  it('gives every pair a namespace of its own', () => {
    expect(new Set(pairs.map(({ namespace }) => namespace)).size).toBe(pairs.length);
  });
});

describe('manifestsOf()', () => {
  it('makes manifests that the lab takes: two pods per pair, and a receiver where a stream goes through one proxy', () => {
    const { manifests, warnings } = parseManifests(manifestsOf(pairs, { clientImage: 'fortio/fortio', streams: true }), 'bench.yaml');
    expect(warnings.filter(({ message }) => !message.startsWith('CiliumNetworkPolicy'))).toEqual([]);
    const pods = manifests.filter(({ kind }) => kind === 'Pod');
    expect(pods).toHaveLength(2 * pairs.length + pairs.filter(isProxied).length);
    const modes = manifests.flatMap((manifest) =>
      manifest.kind === 'PeerAuthentication' ? [`${manifest.metadata.namespace} ${manifest.mode}`] : [],
    );
    expect(modes).toContain('iptables-on STRICT');
    expect(modes).toContain('iptables-off DISABLE');
  });

  it('lets only direct pairs pass their sidecars', () => {
    const { manifests } = parseManifests(manifestsOf(pairs, { clientImage: 'fortio/fortio', streams: false }), 'bench.yaml');
    const passing = manifests.filter(({ metadata }) => metadata.annotations['traffic.sidecar.istio.io/excludeOutboundPorts'] !== undefined);
    expect(passing.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`)).toEqual([
      'direct-accelerate/client',
      'direct-accelerate/server',
    ]);
  });

  it('lets applications join only where their owner is to say so', () => {
    const { manifests } = parseManifests(manifestsOf(pairs, { clientImage: 'fortio/fortio', streams: true }), 'bench.yaml');
    const joining = manifests.flatMap(({ metadata: { namespace, annotations } }) =>
      annotations['millrace.io/accelerate'] === 'true' ? [namespace] : [],
    );
    expect([...new Set(joining)]).toEqual(['ebpf-accelerate-off', 'ebpf-accelerate-on', 'direct-accelerate']);
  });

  it('has as many rules as asked for, of which one is for the client', () => {
    const { manifests } = parseManifests(manifestsOf(pairs, { clientImage: 'fortio/fortio', streams: false }), 'bench.yaml');
    const policies = manifests.filter(({ kind, metadata }) => kind === 'CiliumNetworkPolicy' && metadata.namespace === 'policy-1000');
    expect(policies.map(({ metadata: { name } }) => name)).toEqual(['rules-0', 'rules-1']);
    const text = JSON.stringify(policies);
    expect(text.match(/198\.18\.\d+\.\d+/g)).toHaveLength(999);
    expect(new Set(text.match(/198\.18\.\d+\.\d+/g)).size).toBe(999);
    expect(text.match(/"client"/g)).toHaveLength(1);
  });
});
