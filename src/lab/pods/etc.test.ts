import { expect, test } from 'vitest';
import { etcFiles } from './etc.ts';

test('etcFiles() names every user once and the pod by all its addresses', () => {
  const users = [
    { uid: 100, gid: 101 },
    { uid: 999, gid: 999 },
    { uid: 0, gid: 0 },
  ];
  const files = etcFiles({ hostname: 'pod-1', addresses: ['10.244.0.2', 'fd00::2'], resolvConf: 'nameserver 10.96.0.10\n', users });
  const names = (files.passwd ?? '')
    .trim()
    .split('\n')
    .map((line) => line.split(':').slice(0, 3).join(':'));
  expect(names).toEqual(['root:x:0', 'postgres:x:999', 'istio-proxy:x:1337', 'nobody:x:65534', 'app-100:x:100']);
  expect(files.group).toContain('app-101:x:101:');
  expect(files.hosts).toContain('10.244.0.2\tpod-1\nfd00::2\tpod-1\n');
  expect(files.hostname).toBe('pod-1\n');
});
