import { ensureLocalRoute, SysError } from '../../kernel/index.ts';
import { parseCidr } from '../../pods/address.ts';

/** The prefix over which redirected IPv6 connections are spread (bpf/lib/address.bpf.h): "ml" "il" "lr" "ac" in ASCII, in the unique local range. */
export const spread6Prefix = 'fd6d:696c:6c72:6163::/64';

/**
 * Makes the spread prefix local to a pod, as 127.0.0.0/8 is: IPv6 has only ::1. The route is the pod's own and leaves with its namespace.
 * Idempotent. Returns null when it is there, or why it could not be made (then all IPv6 connections go to ::1 and share one set of ports).
 */
export function ensureSpreadRoute(netns: string | { readonly fd: number }): string | null {
  const cidr = parseCidr(spread6Prefix);
  if (cidr === null) throw new Error(`no prefix: ${spread6Prefix}`);
  try {
    ensureLocalRoute(netns, cidr.address, cidr.prefix);
    return null;
  } catch (error) {
    if (error instanceof SysError) return error.message;
    throw error;
  }
}
