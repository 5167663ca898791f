import { describe, expect, it } from 'vitest';
import type { PolicyPodView, PolicyServiceView } from '../api/policy-types.ts';
import { addressPair, partyFor, partyText } from './policy-party.ts';

const pod = (name: string, local: boolean, ...addresses: readonly string[]): PolicyPodView => ({
  namespace: 'demo',
  name,
  labels: { app: 'web' },
  owner: 'web',
  addresses,
  identity: 300,
  local,
});
const pods = [pod('web-a', false, '10.0.0.1'), pod('web-b', true, '10.0.0.2', 'fd00::2'), pod('web-c', true, 'fd00::3')];
const service = (namespace: string, name: string, clusterIP: string, ...behind: readonly string[]): PolicyServiceView => ({
  namespace,
  name,
  clusterIPs: [clusterIP],
  pods: behind.map((pod) => `demo/${pod}`),
});
const services = [
  service('demo', 'web', '10.96.0.1', 'web-a', 'web-b'),
  service('demo', 'none', '10.96.0.2'),
  service('demo', 'twice', '10.96.0.3', 'web-a'),
  service('other', 'twice', '10.96.0.4', 'web-c'),
];
const find = (text: string, namespace: string | null = null) => partyFor(text, { pods, services }, namespace, 'lab');

describe('partyFor()', () => {
  it.each([
    ['10.0.0.2', 'web-b'],
    ['::ffff:10.0.0.2', 'web-b'],
    ['fd00::3', 'web-c'],
    ['demo/web-a', 'web-a'],
    // of several one of this node
    ['deploy/web', 'web-b'],
    ['app=web', 'web-b'],
    ['svc/web', 'web-b'],
    ['service/web.demo.svc.cluster.local', 'web-b'],
    ['svc/twice.other', 'web-c'],
    ['10.96.0.3', 'web-a'],
  ])('finds the pod when %s is asked for', (text, name) => {
    expect(find(text).pod?.name).toBe(name);
  });

  it('takes the service of the namespace when one is given', () => {
    expect(find('svc/twice', 'demo').pod?.name).toBe('web-a');
    expect(() => find('svc/twice')).toThrow(expect.objectContaining({ cure: 'Services are: svc/twice.demo, svc/twice.other.' }));
  });

  it('throws POD_UNKNOWN when there is no such service, or no pod behind it', () => {
    expect(() => find('svc/nobody')).toThrow("Cannot find a service because none has this name: 'svc/nobody'");
    expect(() => find('svc/none')).toThrow('Cannot find a pod because the service has none: demo/none');
    expect(() => find('10.96.0.2')).toThrow(expect.objectContaining({ code: 'POD_UNKNOWN' }));
  });

  it('answers nobody when an address is of no pod', () => {
    expect(find('8.8.8.8')).toEqual({ pod: null, addresses: ['8.8.8.8'] });
  });

  it('throws POD_UNKNOWN, and names a command that an agent has, when nothing matches', () => {
    expect(() => find('deploy/nobody')).toThrow(
      expect.objectContaining({ code: 'POD_UNKNOWN', command: 'millrace pod list --instance lab' }),
    );
  });
});

describe('addressPair()', () => {
  it('takes the first family that both have, or IPv6 when it is asked for', () => {
    expect(addressPair(find('web-b'), find('web-a'), false)).toEqual({ source: '10.0.0.2', destination: '10.0.0.1' });
    expect(addressPair(find('web-b'), find('web-c'), false)).toEqual({ source: 'fd00::2', destination: 'fd00::3' });
    expect(addressPair(find('web-b'), find('fd00::3'), true)).toEqual({ source: 'fd00::2', destination: 'fd00::3' });
  });

  it('throws USAGE when they have no family in common', () => {
    expect(() => addressPair(find('web-a'), find('web-c'), false)).toThrow(expect.objectContaining({ code: 'USAGE', exitCode: 2 }));
    expect(() => addressPair(find('web-a'), find('web-b'), true)).toThrow(expect.objectContaining({ code: 'USAGE' }));
  });
});

describe('partyText()', () => {
  it('names the pod and its identity when there is one', () => {
    expect(partyText(find('web-a'), '10.0.0.1')).toBe('10.0.0.1 (demo/web-a, identity 300)');
    expect(partyText(find('8.8.8.8'), '8.8.8.8')).toBe('8.8.8.8');
  });
});
