import { describe, expect, it } from 'vitest';
import { newPod } from '../../test/support/policy-world.ts';
import { ClusterView } from './policy-cluster.ts';

const ownNode = () => ({ name: 'own', labels: {}, addresses: ['10.9.9.9'], local: true });
const around = { namespaces: [], services: [], nodes: [], pods: [newPod('x/a'), newPod('x/b')], names: { 'a.example.com': ['192.0.2.1'] } };

describe('ClusterView.of()', () => {
  it('puts pods of this node in the place of what was listed under their names', () => {
    const own = newPod('x/b', { addresses: ['10.0.0.9'] });
    expect(new ClusterView().of(around, [own], ownNode)).toMatchObject({
      pods: [own, around.pods[0]],
      nodes: [{ name: 'own' }],
      names: new Map([['a.example.com', ['192.0.2.1']]]),
    });
  });

  it('gives the same lists while nothing changes, and others when a pod of this node does', () => {
    const view = new ClusterView();
    const own = newPod('y/c');
    const first = view.of(around, [own], ownNode);
    const again = view.of({ ...around }, [own], ownNode);
    expect(again.pods).toBe(first.pods);
    expect(again.names).toBe(first.names);
    expect(view.of(around, [newPod('y/c', { labels: { app: 'new' } })], ownNode).pods[0]?.labels).toEqual({ app: 'new' });
    expect(view.of(around, [], ownNode).pods).toEqual(around.pods);
    expect(view.of({ ...around, pods: [] }, [], ownNode).pods).toEqual([]);
  });

  it('asks for its own node only where none is local', () => {
    const nodes = [{ name: 'listed', labels: {}, addresses: [], local: true }];
    expect(new ClusterView().of({ ...around, nodes }, [], ownNode).nodes).toBe(nodes);
  });
});
