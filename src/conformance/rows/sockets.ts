import type { Fields, Row } from '../types.ts';
import { worlds } from '../worlds.ts';
import { A, app, E, inbound, outbound, R, row, server, tcp, udp } from './make.ts';

const { standard, dual, dnsAll } = worlds;
const off = '10.96.5.5:80';
const off6 = '[2001:db8::5]:80';

/** What an IPv4 connection answers through `SOL_IP`, the caller's length unchanged. */
function viaIp(side: string, to: string): Fields {
  return {
    [`${side} SOL_IP 0`]: 'EINVAL',
    [`${side} SOL_IP 15`]: 'EINVAL',
    [`${side} SOL_IP 16`]: `${to}, 16 bytes`,
    [`${side} SOL_IP 28`]: `${to}, 28 bytes`,
    [`${side} SOL_IP 128`]: `${to}, 128 bytes`,
  };
}

function viaIpv6(side: string, to: string): Fields {
  return {
    [`${side} SOL_IPV6 0`]: 'EINVAL',
    [`${side} SOL_IPV6 27`]: 'EINVAL',
    [`${side} SOL_IPV6 28`]: `${to}, 28 bytes`,
    [`${side} SOL_IPV6 128`]: `${to}, 128 bytes`,
  };
}

/** A.8: what both ends can ask their sockets. */
export const socketRows: readonly Row[] = [
  row('SOC-01/ipv4', standard, tcp(A, off), { clientPeer: off }),
  row('SOC-01/mapped', standard, tcp(A, '[::ffff:10.96.5.5]:80'), { clientPeer: '[::ffff:10.96.5.5]:80' }),
  row('SOC-01/ipv6', standard, tcp(A, off6), { clientPeer: off6 }),
  row('SOC-01/udp-dns', dnsAll, udp(A, '10.96.0.10:53', { connected: true }), { clientPeer: '10.96.0.10:53' }),
  row('SOC-01/own', standard, tcp(E, '10.9.0.2:8080'), { clientPeer: '10.9.0.2:8080' }),
  row('SOC-02', standard, tcp(A, off), { reached: 'outbound', clientLocal: '10.9.0.2:*' }),
  row('SOC-02/second-nic', standard, tcp(A, '10.8.0.1:80'), outbound('10.8.0.1:80', { clientLocal: '10.8.0.2:*', peer: '10.8.0.2:same' })),
  row('SOC-02/second-nic-ipv6', standard, tcp(A, '[fd00:8::1]:80'), outbound('[fd00:8::1]:80', { clientLocal: '[fd00:8::2]:*' })),
  row('SOC-02/second-nic-dns', dnsAll, udp(A, '10.8.0.1:53'), { reached: 'agent', source: '10.8.0.1:53', peer: '10.8.0.2:same' }),
  row(
    'SOC-02/bound-port',
    standard,
    tcp(A, off, { from: '0.0.0.0:5560' }),
    outbound(off, { clientLocal: '10.9.0.2:5560', peer: '10.9.0.2:same' }),
  ),
  row('SOC-03', standard, tcp(A, off), { peer: '10.9.0.2:same' }),
  row('SOC-03/root', standard, tcp(R, off), { peer: '10.9.0.2:same' }),
  row('SOC-03/self', standard, tcp(E, '10.9.0.2:8080'), { peer: '10.9.0.2:same' }),
  row('SOC-04', standard, { kind: 'options', who: A, at: 'pod', to: off }, { reached: 'outbound', ...viaIp('server', off) }),
  row('SOC-04/dual', dual, { kind: 'options', who: A, at: 'pod', to: off }, { reached: 'outbound', ...viaIp('server', off) }),
  row(
    'SOC-04/inbound',
    standard,
    { kind: 'options', who: R, at: 'outside', to: '10.9.0.2:8080' },
    {
      reached: 'inbound',
      ...viaIp('server', '10.9.0.2:8080'),
    },
  ),
  row(
    'SOC-04/inbound-dual',
    dual,
    { kind: 'options', who: R, at: 'outside', to: '10.9.0.2:8080' },
    {
      reached: 'inbound',
      ...viaIp('server', '10.9.0.2:8080'),
    },
  ),
  row('SOC-05/ipv6', standard, { kind: 'options', who: A, at: 'pod', to: off6 }, { reached: 'outbound', ...viaIpv6('server', off6) }),
  row(
    'SOC-05/ipv6-inbound',
    standard,
    { kind: 'options', who: R, at: 'outside', to: '[fd00:9::2]:8080' },
    {
      reached: 'inbound',
      ...viaIpv6('server', '[fd00:9::2]:8080'),
    },
  ),
  row(
    'SOC-05/mapped',
    dual,
    { kind: 'options', who: A, at: 'pod', to: off },
    { 'server SOL_IPV6 28': 'ENOENT', 'server SOL_IPV6 128': 'ENOENT' },
  ),
  row(
    'SOC-05/ipv4',
    standard,
    { kind: 'options', who: A, at: 'pod', to: off },
    {
      'server SOL_IPV6 28': 'EOPNOTSUPP',
      'server SOL_IPV6 128': 'EOPNOTSUPP',
    },
  ),
  row(
    'SOC-06/inbound',
    standard,
    { kind: 'options', who: R, at: 'outside', to: '10.9.0.2:15020' },
    {
      reached: 'app',
      ...viaIp('server', '10.9.0.2:15020'),
    },
  ),
  row(
    'SOC-06/own',
    standard,
    { kind: 'options', who: A, at: 'pod', to: '10.9.0.2:8080' },
    { reached: 'app', ...viaIp('server', '10.9.0.2:8080') },
  ),
  row(
    'SOC-06/loopback',
    standard,
    { kind: 'options', who: A, at: 'pod', to: '127.0.0.1:8080' },
    {
      reached: 'app',
      ...viaIp('server', '127.0.0.1:8080'),
    },
  ),
  row(
    'SOC-06/ipv6',
    standard,
    { kind: 'options', who: R, at: 'outside', to: '[fd00:9::2]:15020' },
    {
      reached: 'app',
      ...viaIpv6('server', '[fd00:9::2]:15020'),
    },
  ),
  row('SOC-06/client', standard, { kind: 'options', who: E, at: 'pod', to: off }, { reached: 'server', ...viaIp('client', off) }),
  row('SOC-07', standard, { kind: 'options', who: A, at: 'pod', to: off }, viaIp('client', off)),
  row('SOC-07/ipv6', standard, { kind: 'options', who: A, at: 'pod', to: off6 }, viaIpv6('client', off6)),
  row('SOC-07/self', standard, { kind: 'options', who: E, at: 'pod', to: '10.9.0.2:8080' }, viaIp('client', '10.9.0.2:8080')),
  row('SOC-08', standard, { kind: 'options', who: A, at: 'pod', to: off }, { 'server SOL_IP 0': 'EINVAL', 'server SOL_IP 15': 'EINVAL' }),
  row(
    'SOC-08/udp',
    standard,
    { kind: 'options-udp', to: '10.96.5.5:443' },
    { 'client SOL_IP 16': 'ENOPROTOOPT', 'client SOL_IP 128': 'ENOPROTOOPT' },
  ),
  row('SOC-09/ipv4', standard, tcp(A, off), { original: off }),
  row('SOC-09/mapped', dual, tcp(A, off), { original: off }),
  row('SOC-09/ipv6', standard, tcp(A, off6), { original: off6 }),
  row(
    'SOC-10',
    standard,
    { kind: 'few-ports', who: A, to: ['10.96.5.5:80', '10.96.5.6:80', '10.96.5.7:80'] },
    {
      reached: 'outbound',
      connections: '24 of 24',
    },
  ),
  row(
    'SOC-10/ipv6',
    standard,
    { kind: 'few-ports', who: A, to: ['[2001:db8::5]:80', '[2001:db8::6]:80', '[2001:db8::7]:80'] },
    {
      reached: 'outbound',
      connections: '24 of 24',
    },
  ),
  row(
    'SOC-10/direct',
    standard,
    { kind: 'few-ports', who: E, to: ['10.96.5.5:81', '10.96.5.6:81'] },
    {
      ...server,
      connections: '16 of 16',
    },
  ),
  row('SOC-02/own-secondary', standard, tcp(A, '10.9.0.22:8080'), { ...app, clientLocal: '10.9.0.2:*' }),
  row('SOC-02/self-net1', standard, tcp(E, '10.8.0.2:8080'), inbound('10.8.0.2:8080', { clientLocal: '10.8.0.2:*' })),
];
