import { bindDeviations } from './bind-deviations.ts';
import type { Deviation } from './types.ts';

const programs = ['sk_lookup', 'bind'] as const;

const spread = {
  modes: programs,
  reason:
    'Connections to the proxy are spread over addresses of loopback by their destination, so that two connections of one source port stay two, and the pod is not left with the ports of a single address.',
  effect:
    'The local address in the access log of the proxy is one of 127.128.0.0/9, or of fd6d:696c:6c72:6163::/64, and not 127.0.0.1 or ::1. Original destination and peer are as in the contract.',
} as const;

const keepsPort = {
  modes: programs,
  reason: 'Nothing is translated, so no two connections collide and no port has to be given out anew.',
  effect: 'The proxy sees the very port that its client has, also where NAT would show another one.',
} as const;

const realAddress = {
  reason: 'The connection is steered to the listener, not rewritten: its addresses stay what the client dialled.',
  effect:
    "The proxy's local address is the one that was dialled, not the interface's first address with port 15006; logs tell which address and port a client used.",
} as const;

/** What both eBPF back ends do otherwise, or the better of them. */
const programDeviations: readonly Deviation[] = [
  { ...spread, rows: ['OUT-01'], seen: { local: '127.128.0.0/9:15001' } },
  { ...spread, rows: ['OUT-15', 'TPR-06'], seen: { local: '127.128.0.0/9:15006' } },
  { ...spread, rows: ['V6-01'], seen: { local: '[fd6d:696c:6c72:6163::/64]:15001' } },
  { ...spread, rows: ['V6-06'], seen: { local: '[fd6d:696c:6c72:6163::/64]:15006' } },
  { ...keepsPort, rows: ['OUT-31', 'OUT-31/ports', 'V6-01/same-port', 'IN-13'], seen: { port: 'same, same, same' } },
  { ...realAddress, modes: programs, rows: ['IN-01'], seen: { local: '10.9.0.2:8080' } },
  { ...realAddress, modes: programs, rows: ['V6-11'], seen: { local: '[fd00:9::2]:8080' } },
  { ...realAddress, modes: ['sk_lookup'], rows: ['IN-07'], seen: { local: '10.9.0.22:8080' } },
  { ...realAddress, modes: ['sk_lookup'], rows: ['IN-08', 'IN-18'], seen: { local: '10.8.0.2:8080' } },
  {
    rows: ['OUT-29'],
    modes: programs,
    seen: { afterwards: 'still here' },
    reason:
      'Rules break a connection that connection tracking has not followed from its first packet: its next packet counts as the first and is redirected to a listener that knows nothing of it. Programs decide at connect() and never look at packets of a connection again.',
    effect: 'Connections that were there before the pod was enrolled live on, unredirected, until they end; under iptables they are reset.',
  },
  {
    rows: ['IN-20'],
    modes: programs,
    seen: { answer: 'reset' },
    reason:
      'INVALID_DROP keeps the stack from answering segments whose connection only connection tracking knows, by the addresses before translation. Programs translate nothing and leave connection tracking off, so there is nothing that it could find invalid.',
    effect: 'A segment that belongs to nothing is answered with a reset, as RFC 9293 asks and as in a pod without a mesh.',
  },
  {
    rows: ['TPR-10'],
    modes: programs,
    seen: { onwards: 'timeout', peer: 'nothing (inbound)', local: 'nothing (inbound)' },
    reason:
      "Going on to the application from the client's own address has the very four numbers of the connection that the proxy has accepted. Istio's rules tell the two apart by a mark that connection tracking keeps, and by a routing table; a lookup of sockets has neither. Programs keep the client's address towards the proxy, in every mode, and stop there.",
    effect:
      "A proxy that binds its client's address waits in vain. `auto` therefore chooses iptables for pods with interceptionMode TPROXY; a pod that asks for eBPF by name has a line in `millrace status`.",
  },
];

/** Every deliberate deviation of a back end from the contract. A test holds each against what is really seen. */
export const deviations: readonly Deviation[] = [...programDeviations, ...bindDeviations];
