import type { Deviation } from './types.ts';

const bind = { modes: ['bind'] } as const;

const movedAway = {
  ...bind,
  reason:
    'The application was moved to 127.0.0.1 and ::1 when it bound its port, which is what this way of redirection is. It cannot be on its other addresses too: one socket has one address.',
} as const;

/** What the bind way (kernels before 5.9) does otherwise, because it has nothing but the application's bind() to work with. */
export const bindDeviations: readonly Deviation[] = [
  {
    ...movedAway,
    rows: ['OUT-08/*', 'OUT-23/loopback', 'FIL-10/127.0.0.2', 'FIL-10/15002', 'V6-09'],
    seen: { reached: 'ECONNREFUSED' },
    effect: 'Inside the pod an application is found at 127.0.0.1 and ::1 only, not at other addresses of loopback.',
  },
  {
    ...movedAway,
    rows: [
      'OUT-09/secondary',
      'OUT-09/net1',
      'V6-03/net1',
      'SOC-02/own-secondary',
      'IN-07',
      'IN-08',
      'V6-11/net1',
      'TPR-02/*',
      'FIL-12/inbound',
      'FIL-12/inbound-ipv6',
      'IN-18',
      'IN-19/pod',
    ],
    seen: { reached: 'ECONNREFUSED' },
    effect:
      'Secondary addresses and further interfaces of the pod refuse connections: the proxy listens at the addresses that its control plane knows. Never a way around the proxy.',
  },
  {
    ...bind,
    rows: [
      'OUT-09',
      'OUT-10',
      'OUT-17',
      'OUT-20/dns-servers',
      'OUT-20/dns-all',
      'OUT-21',
      'OUT-23/own',
      'FIL-04/own',
      'FIL-07/passthrough',
      'FIL-07/ipv4-beside',
      'FIL-11/second-uid',
      'FIL-11/second-gid',
      'V6-03',
      'V6-07',
      'DNS-11/*',
      'ID-06/own-application',
      'SOC-06/own',
      'TPR-07',
      'TPR-08',
    ],
    seen: { reached: 'inbound' },
    reason: "The pod's address and the application's port belong to the proxy's own listener.",
    effect:
      'What is sent to the pod itself by its own address passes the proxy and its policies. The proxy reaches the application at 127.0.0.1 or ::1.',
  },
  {
    ...bind,
    rows: ['IN-02', 'V6-11/closed', 'TPR-01/closed'],
    seen: { reached: 'ECONNREFUSED' },
    reason: 'The proxy listens on the ports of the application, each by itself; nothing catches all others.',
    effect: 'A port that nobody serves is refused at once, as in a pod without a mesh; the proxy does not log the attempt.',
  },
  {
    ...bind,
    rows: ['IN-03/15001'],
    seen: { reached: 'outbound' },
    reason: "Nothing steers connections from outside away from the proxy's own outbound port.",
    effect: 'The proxy gets such a connection on its outbound listener, without an original destination other than itself, and refuses it.',
  },
  {
    ...bind,
    rows: ['IN-18/excluded-port'],
    seen: { reached: 'app' },
    reason: 'The bind way does not know through which interface a connection will come.',
    effect: 'reroute-virtual-interfaces has no effect on connections to the pod itself.',
  },
  {
    ...bind,
    rows: ['OUT-31'],
    seen: { clientLocal: '127.0.0.1:5555, 127.0.0.1:5555, 127.0.0.1:5555' },
    reason: 'bind() with a port looks the same whether a server or a client calls it.',
    effect: 'A client that chooses its own source port is moved to 127.0.0.1 like a server, and the proxy sees that address as its peer.',
  },
  {
    ...bind,
    rows: ['SOC-02/bound-port'],
    seen: { clientLocal: '127.0.0.1:5560', peer: '127.0.0.1:same' },
    reason: 'bind() with a port looks the same whether a server or a client calls it.',
    effect: 'A client that chooses its own source port is moved to 127.0.0.1 like a server, and the proxy sees that address as its peer.',
  },
];
