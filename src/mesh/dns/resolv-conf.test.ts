import { expect, it } from 'vitest';
import { resolvConf } from './resolv-conf.ts';
import { dashedAddress, reverseName } from './reverse-name.ts';

it('resolvConf() searches the namespace, the services and the cluster, in this order', () => {
  expect(resolvConf('demo', '10.96.0.10', 'cluster.local')).toBe(
    'search demo.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n',
  );
});

it('reverseName() reverses bytes of IPv4 and nibbles of IPv6', () => {
  expect(reverseName('10.96.0.7')).toBe('7.0.96.10.in-addr.arpa');
  expect(reverseName('2001:db8::1')).toBe('1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa');
  expect(reverseName('httpbin')).toBeNull();
});

it('dashedAddress() makes one label of an address', () => {
  expect([dashedAddress('10.1.0.7'), dashedAddress('fd00::7')]).toEqual(['10-1-0-7', 'fd00--7']);
});
