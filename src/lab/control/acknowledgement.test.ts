import { expect, test } from 'vitest';
import { runningVersions } from './acknowledgement.ts';

test('runningVersions() finds the versions among the statistics of Envoy', () => {
  const text =
    'cluster_manager.cds.version: 12\ncluster_manager.cds.version_text: "abc"\nlistener_manager.lds.version_text: "def"\nx.version_text: ""\n';
  expect([...runningVersions(text)]).toEqual(['abc', 'def', '']);
});
