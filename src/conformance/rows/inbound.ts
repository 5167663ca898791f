import type { Row } from '../types.ts';
import { worlds } from '../worlds.ts';
import { A, app, inbound, inward, outbound, R, refused, row, server, tcp, udp } from './make.ts';

const { standard, inboundList, reroute, rerouteRange } = worlds;
const halfClosed = { 'other side sees': 'end', 'data afterwards': 'afterwards', 'then the closer sees': 'end' };

/** A.4: connections from other hosts. */
export const inboundRows: readonly Row[] = [
  row(
    'IN-01',
    standard,
    inward('10.9.0.2:8080'),
    inbound('10.9.0.2:8080', {
      local: '10.9.0.2:15006',
      peer: '10.9.0.1:same',
      clientOriginal: 'none',
    }),
  ),
  row('IN-01/dual', worlds.dual, inward('10.9.0.2:8080'), inbound('10.9.0.2:8080')),
  row('IN-02', standard, inward('10.9.0.2:9999', { closed: true }), inbound('10.9.0.2:9999')),
  ...[15000, 15001, 15002, 22, 53].map((port) => row(`IN-03/${port}`, standard, inward(`10.9.0.2:${port}`), inbound(`10.9.0.2:${port}`))),
  row('IN-04', standard, inward('10.9.0.2:15006'), inbound('10.9.0.2:15006')),
  row('IN-05', standard, inward('10.9.0.2:15008'), app),
  ...[15020, 15021, 15090].map((port) => row(`IN-06/${port}`, standard, inward(`10.9.0.2:${port}`), app)),
  row('IN-07', standard, inward('10.9.0.22:8080'), inbound('10.9.0.22:8080', { local: '10.9.0.2:15006' })),
  row(
    'IN-08',
    standard,
    inward('10.8.0.2:8080', { at: 'side' }),
    inbound('10.8.0.2:8080', { local: '10.8.0.2:15006', peer: '10.8.0.1:same' }),
  ),
  row('IN-09', standard, udp(R, '10.9.0.2:8080', { at: 'outside' }), { ...app, source: '10.9.0.2:8080', peer: '10.9.0.1:same' }),
  row('IN-09/port-53', worlds.dnsAll, udp(R, '10.9.0.2:53', { at: 'outside' }), app),
  row('IN-10/8080', inboundList, inward('10.9.0.2:8080'), inbound('10.9.0.2:8080')),
  row('IN-10/15020', inboundList, inward('10.9.0.2:15020'), inbound('10.9.0.2:15020')),
  row('IN-10/8081', inboundList, inward('10.9.0.2:8081'), app),
  row('IN-11', worlds.inboundNothing, inward('10.9.0.2:8080'), app),
  row('IN-11/outbound', worlds.inboundNothing, tcp(A, '10.96.5.5:80'), outbound('10.96.5.5:80')),
  row('IN-12', worlds.proxyDown, inward('10.9.0.2:8080'), refused),
  row('IN-12/excluded', worlds.proxyDown, inward('10.9.0.2:15020'), app),
  row(
    'IN-13',
    standard,
    {
      kind: 'same-port',
      who: R,
      at: 'outside',
      from: '10.9.0.1:5555',
      to: ['10.9.0.2:8080', '10.9.0.2:8081', '10.9.0.2:8082'],
    },
    {
      reached: 'inbound, inbound, inbound',
      original: '10.9.0.2:8080, 10.9.0.2:8081, 10.9.0.2:8082',
      port: 'same, other, other',
    },
  ),
  row(
    'IN-14',
    standard,
    {
      kind: 'reset-reuse',
      who: R,
      at: 'outside',
      from: '10.9.0.1:5556',
      to: ['10.9.0.2:8080', '10.9.0.2:8081'],
    },
    { reached: 'inbound', original: '10.9.0.2:8081' },
  ),
  ...(['server', 'client'] as const).map((first) =>
    row(
      `IN-15/${first}-first`,
      standard,
      { kind: 'half-close', who: R, at: 'outside', to: '10.9.0.2:8080', first },
      {
        reached: 'inbound',
        ...halfClosed,
      },
    ),
  ),
  row('IN-16', standard, inward('10.9.0.2:8080', { from: '198.51.100.5:0' }), inbound('10.9.0.2:8080', { peer: '198.51.100.5:same' })),
  row('IN-17', standard, inward('10.8.0.1:80'), inbound('10.8.0.1:80')),
  row('IN-17/ipv6', standard, inward('[fd00:8::1]:80'), inbound('[fd00:8::1]:80')),
  row('IN-17/excluded-port', standard, inward('10.8.0.1:15020'), server),
  row('IN-18', reroute, inward('10.8.0.2:8080', { at: 'side' }), outbound('10.8.0.2:8080', { local: '10.8.0.2:15001' })),
  row(
    'IN-18/forwarded',
    reroute,
    inward('10.96.5.5:80', { at: 'side' }),
    outbound('10.96.5.5:80', { local: '10.8.0.2:15001', peer: '10.8.0.1:same' }),
  ),
  row('IN-18/ipv6', reroute, inward('[2001:db8::5]:80', { at: 'side' }), outbound('[2001:db8::5]:80')),
  row('IN-18/excluded-port', reroute, inward('10.8.0.2:15020', { at: 'side' }), outbound('10.8.0.2:15020')),
  row('IN-18/udp', reroute, udp(R, '10.96.5.5:443', { at: 'side' }), server),
  row('IN-18/eth0', reroute, inward('10.9.0.2:8080'), inbound('10.9.0.2:8080')),
  row('IN-18/pod', reroute, tcp(A, '10.96.5.5:80'), outbound('10.96.5.5:80')),
  row('IN-19/matching', rerouteRange, inward('10.96.5.5:80', { at: 'side' }), outbound('10.96.5.5:80')),
  row('IN-19/other', rerouteRange, inward('198.51.100.5:80', { at: 'side' }), server),
  row('IN-19/pod', rerouteRange, inward('10.8.0.2:8080', { at: 'side' }), app),
  row('IN-20', worlds.dropInvalid, { kind: 'stray-segment', to: '10.9.0.2:8080' }, { answer: 'silence' }),
  row('IN-20/off', standard, { kind: 'stray-segment', to: '10.9.0.2:8080' }, { answer: 'reset' }),
  row('IN-20/connections', worlds.dropInvalid, inward('10.9.0.2:8080'), inbound('10.9.0.2:8080')),
  row('IN-21/rewritten', standard, inward('10.9.0.2:15020', { from: '198.51.100.5:0' }), app),
  row('IN-21/direct', standard, inward('10.9.0.2:8080', { from: '198.51.100.5:0' }), inbound('10.9.0.2:8080')),
];
