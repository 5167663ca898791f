import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The prefix over which redirected IPv6 connections are spread (bpf/lib/address.bpf.h): "ml" "il" "lr" "ac" in ASCII, in the unique local range. */
export const spread6Prefix = 'fd6d:696c:6c72:6163::/64';

/**
 * Makes the spread prefix local to a pod, as 127.0.0.0/8 is: IPv6 has only ::1. The route is the pod's own and leaves with its namespace.
 * Idempotent. Returns null when it is there, or why it could not be made (then all IPv6 connections go to ::1 and share one set of ports).
 */
export async function ensureSpreadRoute(netnsPath: string, signal?: AbortSignal): Promise<string | null> {
  try {
    const command = ['ip', '-6', 'route', 'replace', 'local', spread6Prefix, 'dev', 'lo', 'table', 'local'];
    await run('nsenter', [`--net=${netnsPath}`, '--', ...command], { timeout: 5000, ...(signal === undefined ? {} : { signal }) });
    return null;
  } catch (error) {
    return error instanceof Error ? error.message.trim() : String(error);
  }
}
