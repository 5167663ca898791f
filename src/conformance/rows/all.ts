import type { Row } from '../types.ts';
import { dnsRows } from './dns.ts';
import { filterRows } from './filters.ts';
import { identityRows } from './identity.ts';
import { inboundRows } from './inbound.ts';
import { ipv6Rows } from './ipv6.ts';
import { outboundRows } from './outbound.ts';
import { socketRows } from './sockets.ts';
import { tproxyRows } from './tproxy.ts';

/** Every row of the contract's A.3 to A.8 and A.10, in its order, by the heading it stands under. */
export const rowGroups: readonly { readonly title: string; readonly rows: readonly Row[] }[] = [
  { title: 'Connections out of the pod (A.3)', rows: outboundRows },
  { title: 'Filters of connections out of the pod (A.3)', rows: filterRows },
  { title: 'Connections from other hosts (A.4)', rows: inboundRows },
  { title: 'IPv6 (A.5)', rows: ipv6Rows },
  { title: 'DNS (A.6)', rows: dnsRows },
  { title: 'Who a socket belongs to (A.7)', rows: identityRows },
  { title: 'What sockets tell (A.8)', rows: socketRows },
  { title: 'TPROXY (A.10)', rows: tproxyRows },
];

export const allRows: readonly Row[] = rowGroups.flatMap(({ rows }) => rows);
