import type { Fields, Flow, Row, World } from '../types.ts';
import { worlds } from '../worlds.ts';
import { A, agent, app, E, G, outbound, refused, row, server, tcp, udp } from './make.ts';

const known = '10.96.0.10:53';
const other = '198.51.100.5:53';
const { dnsServers, dnsAll, dnsServers6 } = worlds;

/** One flow under both ways to capture DNS: that of the servers of resolv.conf, and all of it. */
function both(
  id: string,
  flow: Flow,
  withServers: Fields,
  withAll: Fields,
  where: readonly [World, World] = [dnsServers, dnsAll],
): readonly Row[] {
  return [row(`${id}/servers`, where[0], flow, withServers), row(`${id}/all`, where[1], flow, withAll)];
}

const answeredAs = (source: string): Fields => ({ reached: 'agent', source, peer: '10.9.0.2:same' });
const agentTcp: Fields = { reached: 'agent', original: known, peer: '10.9.0.2:same', clientPeer: known };

/** A.6: queries to port 53. */
export const dnsRows: readonly Row[] = [
  ...both('DNS-01', udp(A, known), answeredAs(known), answeredAs(known)),
  row('DNS-01/ipv6-servers', dnsServers6, udp(A, '[fd00:96::10]:53'), { ...agent, source: '[fd00:96::10]:53', peer: '[fd00:9::2]:same' }),
  row('DNS-01/ipv6-all', dnsAll, udp(A, '[fd00:96::10]:53'), { ...agent, source: '[fd00:96::10]:53', peer: '[fd00:9::2]:same' }),
  row('DNS-01/bound', dnsAll, udp(A, known, { from: '10.9.0.22:0' }), { ...agent, source: known, peer: '10.9.0.22:same' }),
  ...both(
    'DNS-02',
    udp(A, known, { connected: true }),
    { ...answeredAs(known), clientPeer: known, clientLocal: '10.9.0.2:*' },
    {
      ...answeredAs(known),
      clientPeer: known,
      clientLocal: '10.9.0.2:*',
    },
  ),
  row('DNS-02/ipv6', dnsServers6, udp(A, '[fd00:96::10]:53', { connected: true }), {
    ...agent,
    source: '[fd00:96::10]:53',
    clientPeer: '[fd00:96::10]:53',
    clientLocal: '[fd00:9::2]:*',
  }),
  ...both('DNS-03', tcp(A, known), agentTcp, agentTcp),
  row('DNS-03/ipv6', dnsServers6, tcp(A, '[fd00:96::10]:53'), {
    ...agent,
    original: '[fd00:96::10]:53',
    peer: '[fd00:9::2]:same',
    clientPeer: '[fd00:96::10]:53',
  }),
  ...both('DNS-04', udp(A, other), { ...server, source: other }, { ...agent, source: other }),
  ...both('DNS-05', tcp(A, other), outbound(other), { ...agent, original: other, clientPeer: other }),
  ...both('DNS-06/udp', udp(A, '127.0.0.1:53'), app, { ...agent, source: '127.0.0.1:53' }),
  ...both('DNS-06/tcp', tcp(A, '127.0.0.1:53'), app, { ...agent, original: '127.0.0.1:53' }),
  ...both('DNS-07', udp(A, '127.0.0.53:53'), app, { ...agent, source: '127.0.0.53:53' }),
  ...both('DNS-08', tcp(A, '127.0.0.53:53'), outbound('127.0.0.53:53'), { ...agent, original: '127.0.0.53:53' }),
  ...both('DNS-09/udp', udp(A, '10.9.0.2:53'), app, { ...agent, source: '10.9.0.2:53' }),
  ...both('DNS-09/tcp', tcp(A, '10.9.0.2:53'), outbound('10.9.0.2:53'), { ...agent, original: '10.9.0.2:53' }),
  ...(
    [
      ['proxy', E],
      ['group', G],
    ] as const
  ).flatMap(([name, who]) => [
    ...both(`DNS-10/${name}-udp`, udp(who, known), { ...server, source: known }, { ...server, source: known }),
    ...both(`DNS-10/${name}-tcp`, tcp(who, known), server, server),
  ]),
  ...both('DNS-11', tcp(E, '10.9.0.2:53'), app, app),
  ...both(
    'DNS-12/udp',
    udp(A, '[2001:db8::53]:53'),
    { ...server, source: '[2001:db8::53]:53' },
    { ...agent, source: '[2001:db8::53]:53' },
    [dnsServers6, dnsAll],
  ),
  ...both('DNS-12/tcp', tcp(A, '[2001:db8::53]:53'), outbound('[2001:db8::53]:53'), { ...agent, original: '[2001:db8::53]:53' }, [
    dnsServers6,
    dnsAll,
  ]),
  row('DNS-12/no-ipv6-server', dnsServers, udp(A, '[2001:db8::53]:53'), server),
  ...both('DNS-13/udp', udp(A, known), { ...server, source: known }, { ...server, source: known }, [
    worlds.dnsServersNoPort53,
    worlds.dnsAllNoPort53,
  ]),
  ...both('DNS-13/tcp', tcp(A, known), server, server, [worlds.dnsServersNoPort53, worlds.dnsAllNoPort53]),
  ...both('DNS-14/udp', udp(A, known), answeredAs(known), answeredAs(known), [worlds.dnsServersExcluded, worlds.dnsAllExcluded]),
  ...both('DNS-14/tcp', tcp(A, known), agentTcp, agentTcp, [worlds.dnsServersExcluded, worlds.dnsAllExcluded]),
  ...both(
    'DNS-15',
    { kind: 'udp', who: A, to: [known, '10.96.0.11:53'] },
    { reached: 'agent, agent', source: `${known}, 10.96.0.11:53` },
    {
      reached: 'agent, agent',
      source: `${known}, 10.96.0.11:53`,
    },
  ),
  ...both(
    'DNS-15/mixed',
    { kind: 'udp', who: A, to: [known, other, known, '10.96.5.5:5353'] },
    {
      reached: 'agent, server, agent, server',
      source: `${known}, ${other}, ${known}, 10.96.5.5:5353`,
    },
    {
      reached: 'agent, agent, agent, server',
      source: `${known}, ${other}, ${known}, 10.96.5.5:5353`,
    },
  ),
  row(
    'DNS-15/ipv6',
    dnsServers6,
    { kind: 'udp', who: A, to: ['[fd00:96::10]:53', '[fd00:96::11]:53'] },
    {
      reached: 'agent, agent',
      source: '[fd00:96::10]:53, [fd00:96::11]:53',
    },
  ),
  ...both(
    'DNS-16/unconnected',
    udp(A, `[::ffff:10.96.0.10]:53`),
    { ...agent, source: '[::ffff:10.96.0.10]:53', peer: '10.9.0.2:same' },
    {
      ...agent,
      source: '[::ffff:10.96.0.10]:53',
      peer: '10.9.0.2:same',
    },
  ),
  ...both(
    'DNS-16/connected',
    udp(A, `[::ffff:10.96.0.10]:53`, { connected: true }),
    {
      ...agent,
      source: '[::ffff:10.96.0.10]:53',
      clientPeer: '[::ffff:10.96.0.10]:53',
      clientLocal: '[::ffff:10.9.0.2]:*',
    },
    {
      ...agent,
      source: '[::ffff:10.96.0.10]:53',
      clientPeer: '[::ffff:10.96.0.10]:53',
      clientLocal: '[::ffff:10.9.0.2]:*',
    },
  ),
  ...both('DNS-17/tcp', tcp(A, known), refused, refused, [worlds.dnsServersNoAgent, worlds.dnsAllNoAgent]),
  ...both('DNS-17/udp', udp(A, known), { reached: 'timeout' }, { reached: 'timeout' }, [worlds.dnsServersNoAgent, worlds.dnsAllNoAgent]),
  ...both('DNS-17/udp-connected', udp(A, known, { connected: true }), { reached: 'timeout' }, { reached: 'timeout' }, [
    worlds.dnsServersNoAgent,
    worlds.dnsAllNoAgent,
  ]),
  ...both('DNS-18', udp(A, '10.96.0.10:5353'), server, server),
  ...both('DNS-18/connected', udp(A, '10.96.0.10:5353', { connected: true }), server, server),
  ...both(
    'DNS-19/application-first',
    { kind: 'udp-port-reuse', first: A, second: E, from: '10.9.0.2:5353', to: known },
    {
      first: 'agent',
      second: 'server',
      'first again': 'agent',
    },
    { first: 'agent', second: 'server', 'first again': 'agent' },
  ),
  ...both(
    'DNS-19/agent-first',
    { kind: 'udp-port-reuse', first: E, second: A, from: '10.9.0.2:5354', to: known },
    {
      first: 'server',
      second: 'agent',
      'first again': 'server',
    },
    { first: 'server', second: 'agent', 'first again': 'server' },
  ),
  row('DNS-20/udp', worlds.dnsNoServers, udp(A, known), server),
  row('DNS-20/tcp', worlds.dnsNoServers, tcp(A, known), outbound(known)),
  row('DNS-20/own', worlds.dnsNoServers, tcp(E, '10.9.0.2:53'), { reached: 'inbound', original: '10.9.0.2:53' }),
];
