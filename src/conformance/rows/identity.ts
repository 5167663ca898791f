import type { Row } from '../types.ts';
import { worlds } from '../worlds.ts';
import { A, app, E, inbound, inward, outbound, R, row, server, tcp, udp } from './make.ts';

const { standard, userNamespace, dnsAll } = worlds;
const off = '10.96.5.5:80';

/** A.7: who a socket belongs to. */
export const identityRows: readonly Row[] = [
  row('ID-01', standard, tcp(R, off, { caller: E }), outbound(off)),
  row('ID-02', standard, tcp(E, off, { caller: A }), server),
  row('ID-02/own', standard, tcp(E, '10.9.0.2:8080', { caller: A }), inbound('10.9.0.2:8080')),
  // Every E of this table is a process of root with effective ids; this is the row that says so.
  row('ID-03', standard, tcp(E, off), server),
  row('ID-04', standard, tcp(E, off, { way: 'passed', caller: A }), server),
  row('ID-04/to-proxy', standard, tcp(A, off, { way: 'passed', caller: E }), outbound(off)),
  row('ID-05', standard, tcp({ ...A, groups: [1337] }, off), outbound(off)),
  row('ID-05/dns', dnsAll, udp({ ...A, groups: [1337] }, '10.96.0.10:53'), { reached: 'agent' }),
  row('ID-06/proxy', userNamespace, tcp(E, off), server),
  row('ID-06/own', userNamespace, tcp(E, '10.9.0.2:8080'), inbound('10.9.0.2:8080')),
  row('ID-06/application', userNamespace, tcp(A, off), outbound(off)),
  row('ID-06/own-application', userNamespace, tcp(A, '10.9.0.2:8080'), app),
  row('ID-06/root', userNamespace, tcp(R, off), outbound(off)),
  row('ID-06/inbound', userNamespace, inward('10.9.0.2:8080'), inbound('10.9.0.2:8080')),
  row('ID-07', standard, tcp(A, off, { way: 'io-uring', caller: R }), outbound(off)),
  row('ID-07/proxy', standard, tcp(E, off, { way: 'io-uring', caller: R }), server),
  row('ID-07/by-proxy', standard, tcp(A, off, { way: 'io-uring', caller: E }), outbound(off)),
];
