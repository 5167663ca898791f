import { describe, expect, it } from 'vitest';
import { newPod } from '../../test/support/policy-world.ts';
import { ClusterView } from './policy-cluster.ts';

const ownNode = () => ({ name: 'own', labels: {}, addresses: ['10.9.9.9'], local: true });
const around = { namespaces: [], services: [], nodes: [], pods: [newPod('x/a'), newPod('x/b')], names: { 'a.example.com': ['192.0.2.1'] } };
const nothing = new Map<string, readonly string[]>();

describe('ClusterView.of()', () => {
  it('puts pods of this node in the place of what was listed under their names', () => {
    const own = newPod('x/b', { addresses: ['10.0.0.9'] });
    expect(new ClusterView().of(around, { pods: [own], names: nothing }, ownNode)).toMatchObject({
      pods: [own, around.pods[0]],
      nodes: [{ name: 'own' }],
      names: new Map([['a.example.com', ['192.0.2.1']]]),
    });
  });

  it('gives the same lists while nothing changes, and others when a pod of this node does', () => {
    const view = new ClusterView();
    const own = newPod('y/c');
    const first = view.of(around, { pods: [own], names: nothing }, ownNode);
    const again = view.of({ ...around }, { pods: [own], names: nothing }, ownNode);
    expect(again.pods).toBe(first.pods);
    expect(again.names).toBe(first.names);
    expect(view.of(around, { pods: [newPod('y/c', { labels: { app: 'new' } })], names: nothing }, ownNode).pods[0]?.labels).toEqual({
      app: 'new',
    });
    expect(view.of(around, { pods: [], names: nothing }, ownNode).pods).toEqual(around.pods);
    expect(view.of({ ...around, pods: [] }, { pods: [], names: nothing }, ownNode).pods).toEqual([]);
  });

  it('puts what was learned beside the names that were listed, and gives the same map until one of them changes', () => {
    const view = new ClusterView();
    const names = new Map([
      ['a.example.com', ['192.0.2.1', '192.0.2.2']],
      ['b.example.com', ['192.0.2.3']],
    ]);
    const first = view.of(around, { pods: [], names }, ownNode).names;
    expect(Object.fromEntries(first)).toEqual({ 'a.example.com': ['192.0.2.1', '192.0.2.2'], 'b.example.com': ['192.0.2.3'] });
    expect(first.get('b.example.com')).toBe(names.get('b.example.com'));
    expect(view.of(around, { pods: [newPod('x/a')], names }, ownNode).names).toBe(first);
    expect(view.of(around, { pods: [], names: new Map(names) }, ownNode).names).not.toBe(first);
    expect([...view.of({ ...around, names: {} }, { pods: [], names: nothing }, ownNode).names]).toEqual([]);
  });

  it('asks for its own node only where none is local', () => {
    const nodes = [{ name: 'listed', labels: {}, addresses: [], local: true }];
    expect(new ClusterView().of({ ...around, nodes }, { pods: [], names: nothing }, ownNode).nodes).toBe(nodes);
  });
});
