import type { Correction } from './types.ts';

/** Where the run under iptables showed something else than the contract says, or what it leaves open. The run is right. */
export const corrections: readonly Correction[] = [
  {
    rows: ['OUT-29'],
    contract:
      'A flow that was established before the rules are installed is unaffected, because nat sees only NEW packets (from the source).',
    seen: 'Only where connection tracking had followed it from the beginning (OUT-29/tracked). In a namespace that had no rules before, tracking begins with them, takes the next packet of the connection for its first, and redirects it: the connection is lost.',
  },
  {
    rows: ['OUT-16/secondary'],
    contract: 'The proxy calls its own secondary address and is redirected to 15006; what its listener sees as the peer is left open.',
    seen: 'The peer is the first address of the interface (10.9.0.2): the kernel chooses it as the source for every address of that interface, also the secondary ones.',
  },
];
