import type { Row } from '../types.ts';
import { worlds } from '../worlds.ts';
import { A, app, E, inbound, inward, outbound, refused, row, server, tcp, udp } from './make.ts';

const { standard, ipv4Only } = worlds;
const off = '[2001:db8::5]:80';

/** A.5: the same over IPv6, and IPv6 that is not redirected. */
export const ipv6Rows: readonly Row[] = [
  row(
    'V6-01',
    standard,
    tcp(A, off),
    outbound(off, {
      local: '[::1]:15001',
      peer: '[fd00:9::2]:same',
      clientLocal: '[fd00:9::2]:*',
      clientOriginal: off,
    }),
  ),
  row('V6-01/fast-open-message', standard, tcp(A, off, { way: 'fast-open-message' }), outbound(off)),
  row('V6-01/mptcp', standard, tcp(A, off, { way: 'mptcp' }), outbound(off)),
  row('V6-01/proxy-down', worlds.proxyDown, tcp(A, off), refused),
  row('V6-01/ping', standard, { kind: 'echo-request', who: A, to: '[2001:db8::5]:0' }, { reached: 'answered' }),
  row('V6-01/udp', standard, udp(A, '[2001:db8::5]:443'), server),
  row(
    'V6-01/same-port',
    standard,
    {
      kind: 'same-port',
      who: A,
      at: 'pod',
      from: '[fd00:9::2]:5555',
      to: ['[2001:db8::5]:80', '[2001:db8::6]:80', '[2001:db8::7]:80'],
    },
    {
      reached: 'outbound, outbound, outbound',
      original: '[2001:db8::5]:80, [2001:db8::6]:80, [2001:db8::7]:80',
      port: 'same, other, other',
    },
  ),
  row('V6-02', standard, tcp(A, '[::1]:8080'), app),
  row('V6-03', standard, tcp(A, '[fd00:9::2]:8080'), app),
  row('V6-03/net1', standard, tcp(A, '[fd00:8::2]:8080'), app),
  row('V6-04', standard, tcp(E, off), server),
  row('V6-05', standard, tcp(E, '[::1]:8080'), app),
  row('V6-06', standard, tcp(E, '[fd00:9::2]:8080'), inbound('[fd00:9::2]:8080', { local: '[::1]:15006', peer: '[fd00:9::2]:same' })),
  row('V6-06/net1', standard, tcp(E, '[fd00:8::2]:8080'), inbound('[fd00:8::2]:8080')),
  row('V6-07', standard, tcp(E, '[fd00:9::2]:8080', { from: '[::6]:0' }), { ...app, peer: '[::6]:same' }),
  row('V6-08', standard, tcp(E, '[::6]:15002', { from: '[::1]:0' }), inbound('[::6]:15002')),
  row(
    'V6-08/validation',
    worlds.proxyDown,
    { kind: 'validation', from: '[::1]:0', to: '[::6]:15002' },
    {
      reached: '[::1]:15006',
      original: '[::6]:15002',
    },
  ),
  row('V6-09', standard, tcp(A, '[::6]:8080'), app),
  row('V6-10', standard, tcp(E, '[fd00:9::2]:15008'), app),
  row('V6-11', standard, inward('[fd00:9::2]:8080'), inbound('[fd00:9::2]:8080', { local: '[fd00:9::2]:15006', peer: '[fd00:9::1]:same' })),
  row('V6-11/closed', standard, inward('[fd00:9::2]:9999', { closed: true }), inbound('[fd00:9::2]:9999')),
  row('V6-11/15008', standard, inward('[fd00:9::2]:15008'), app),
  row('V6-11/15020', standard, inward('[fd00:9::2]:15020'), app),
  row('V6-11/net1', standard, inward('[fd00:8::2]:8080', { at: 'side' }), inbound('[fd00:8::2]:8080')),
  row('V6-12/outbound', ipv4Only, tcp(A, off), server),
  row('V6-12/inbound', ipv4Only, inward('[fd00:9::2]:8080'), app),
  row('V6-12/own', ipv4Only, tcp(E, '[fd00:9::2]:8080'), app),
  row('V6-12/ipv4', ipv4Only, tcp(A, '10.96.5.5:80'), outbound('10.96.5.5:80')),
  row('V6-12/mapped', ipv4Only, tcp(A, '[::ffff:10.96.5.5]:80'), {
    reached: 'outbound',
    original: '10.96.5.5:80',
    clientPeer: '[::ffff:10.96.5.5]:80',
  }),
  row('V6-12/ipv4-inbound', ipv4Only, inward('10.9.0.2:8080'), inbound('10.9.0.2:8080')),
];
