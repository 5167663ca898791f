import { hostname } from 'node:os';
import type { NetnsHandle } from '../kernel/index.ts';
import { formatIp } from '../pods/address.ts';
import type { PolicyNode } from '../policy/types.ts';
import { viewNetns } from '../redirect/ebpf/netns-view.ts';

/** This node as policy knows it where nobody lists the nodes: by the addresses that its namespace has now. */
export function ownNode(netns: NetnsHandle): PolicyNode {
  return { name: hostname(), labels: {}, addresses: viewNetns(netns).addresses.map(formatIp), local: true };
}
