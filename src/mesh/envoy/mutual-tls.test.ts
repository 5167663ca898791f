import { describe, expect, it } from 'vitest';
import { meshSnapshot, peerAuthentication as policy, workload } from '../../../test/support/mesh-snapshot.ts';
import type { PeerAuthenticationManifest } from '../../manifests/types.ts';
import { effectiveMutualTls } from './mutual-tls.ts';

const pod = workload('db');
const selector = { app: 'db' };
const root = 'istio-system';

describe('effectiveMutualTls()', () => {
  const rows: readonly (readonly [name: string, policies: readonly PeerAuthenticationManifest[], mode: string])[] = [
    ['nothing says otherwise', [], 'STRICT'],
    ['the root namespace', [policy('PERMISSIVE', { namespace: root })], 'PERMISSIVE'],
    ['the namespace over the root namespace', [policy('PERMISSIVE', { namespace: root }), policy('DISABLE')], 'DISABLE'],
    ['the workload over the namespace', [policy('DISABLE'), policy('PERMISSIVE', { name: 'own', selector })], 'PERMISSIVE'],
    ['the port over the workload', [policy('PERMISSIVE', { selector, portLevel: { 5432: 'DISABLE' } })], 'DISABLE'],
    ['another port', [policy('PERMISSIVE', { selector, portLevel: { 80: 'DISABLE' } })], 'PERMISSIVE'],
    ['an UNSET port inherits from the workload', [policy('PERMISSIVE', { selector, portLevel: { 5432: 'UNSET' } })], 'PERMISSIVE'],
    ['an UNSET workload inherits from the namespace', [policy('DISABLE'), policy('UNSET', { name: 'own', selector })], 'DISABLE'],
    ['an UNSET namespace inherits from the root namespace', [policy('UNSET'), policy('DISABLE', { namespace: root })], 'DISABLE'],
    ['an UNSET root namespace is the default', [policy('UNSET', { namespace: root })], 'STRICT'],
    ['a port of an UNSET workload', [policy('UNSET', { selector, portLevel: { 5432: 'PERMISSIVE' } })], 'PERMISSIVE'],
    ['a selector of another workload', [policy('DISABLE', { selector: { app: 'web' } })], 'STRICT'],
    ['another namespace', [policy('DISABLE', { namespace: 'other' })], 'STRICT'],
    ['a selector in the root namespace selects nothing', [policy('DISABLE', { namespace: root, selector })], 'STRICT'],
    ['portLevel without a selector counts for nothing', [policy('PERMISSIVE', { portLevel: { 5432: 'DISABLE' } })], 'PERMISSIVE'],
    ['an empty selector is none', [policy('DISABLE', { selector: {} })], 'DISABLE'],
    ['the first of two by name', [policy('DISABLE', { name: 'b' }), policy('PERMISSIVE', { name: 'a' })], 'PERMISSIVE'],
  ];
  it.each(rows)('%s', (_, peerAuthentications, mode) => {
    expect(effectiveMutualTls(meshSnapshot({ peerAuthentications }), pod, 5432)).toBe(mode);
  });

  it('leaves port rules aside when the port is not a declared one', () => {
    const peerAuthentications = [policy('PERMISSIVE', { selector, portLevel: { 5432: 'DISABLE' } })];
    expect(effectiveMutualTls(meshSnapshot({ peerAuthentications }), pod, null)).toBe('PERMISSIVE');
  });
});
