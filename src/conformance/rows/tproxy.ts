import type { Row } from '../types.ts';
import { worlds } from '../worlds.ts';
import { A, app, E, inbound, inward, outbound, row, tcp } from './make.ts';

const { tproxy } = worlds;

/** A.10: what differs when a pod asks for TPROXY. */
export const tproxyRows: readonly Row[] = [
  row('TPR-01', tproxy, inward('10.9.0.2:8080'), inbound('10.9.0.2:8080', { local: '10.9.0.2:8080', peer: '10.9.0.1:same' })),
  row(
    'TPR-01/ipv6',
    tproxy,
    inward('[fd00:9::2]:8080'),
    inbound('[fd00:9::2]:8080', { local: '[fd00:9::2]:8080', peer: '[fd00:9::1]:same' }),
  ),
  row('TPR-01/closed', tproxy, inward('10.9.0.2:9999', { closed: true }), inbound('10.9.0.2:9999', { local: '10.9.0.2:9999' })),
  row('TPR-02', tproxy, inward('10.9.0.22:8080'), inbound('10.9.0.22:8080', { local: '10.9.0.22:8080' })),
  row('TPR-02/net1', tproxy, inward('10.8.0.2:8080', { at: 'side' }), inbound('10.8.0.2:8080', { local: '10.8.0.2:8080' })),
  ...[15020, 15021, 15090].map((port) => row(`TPR-03/${port}`, tproxy, inward(`10.9.0.2:${port}`), app)),
  row('TPR-04', tproxy, inward('10.9.0.2:15008'), inbound('10.9.0.2:15008')),
  row('TPR-05', tproxy, tcp(A, '127.0.0.1:8080'), app),
  row('TPR-06', tproxy, tcp(E, '10.9.0.2:8080'), inbound('10.9.0.2:8080', { local: '127.0.0.1:15006' })),
  row('TPR-07', tproxy, tcp(A, '10.9.0.2:8080'), app),
  row('TPR-08', tproxy, tcp(E, '10.9.0.2:8080', { from: '127.0.0.6:0' }), { ...app, peer: '127.0.0.6:same' }),
  row('TPR-09', tproxy, tcp(A, '10.96.5.5:80'), outbound('10.96.5.5:80', { peer: '10.9.0.2:same' })),
  row(
    'TPR-10',
    tproxy,
    {
      kind: 'original-source',
      who: { uid: 0, gid: 1337 },
      from: '10.9.0.1:5777',
      to: '10.9.0.2:8080',
    },
    { reached: 'inbound', onwards: 'app', peer: '10.9.0.1:5777', local: '10.9.0.2:8080' },
  ),
];
