import { MillraceError, UserError } from '../base/errors.ts';
import { closedTables, isClosed } from '../redirect/ebpf/closed-pod.ts';
import type { DataPlane } from '../redirect/ebpf/data-plane.ts';
import type { EnrolledPod } from './enrolled-pod.ts';
import { tablesOf } from './enrolled-pod.ts';

/**
 * Writes a pod's rows and attaches its programs. Where a table has no room, a pod that was redirected keeps what it had, and any other one is
 * closed. Returns what is wrong then, null when all is well. Throws VerifierError, SysError; UserError ANNOTATION_INVALID.
 */
export async function writeOrClose(plane: DataPlane, pod: EnrolledPod): Promise<UserError | null> {
  const tables = tablesOf(pod);
  try {
    await plane.enrol(pod.netns, tables, 'replace');
    return null;
  } catch (error) {
    if (!isTableFull(error)) throw error;
    const before = plane.maps.pods.get(tables.cookie);
    if (before !== null && !isClosed(before)) return tableFull(pod, error, 'it keeps the configuration that it had');
    const closed = closedTables(tables);
    if (closed === null) return tableFull(pod, error, 'it is as if it were not enrolled');
    return tableFull(pod, error, await close(plane, pod, closed));
  }
}

/** As well as it can be: without a row of its own, nothing can be done. */
async function close(plane: DataPlane, pod: EnrolledPod, closed: NonNullable<ReturnType<typeof closedTables>>): Promise<string> {
  try {
    await plane.enrol(pod.netns, closed, 'replace');
    return 'it is closed, none of its TCP connections is let through';
  } catch (error) {
    if (!isTableFull(error)) throw error;
    return 'it is not redirected and must not be started';
  }
}

function isTableFull(error: unknown): error is MillraceError {
  return error instanceof MillraceError && error.code === 'TABLE_FULL';
}

function tableFull({ request }: EnrolledPod, cause: MillraceError, state: string): UserError {
  return new UserError('TABLE_FULL', `Cannot enrol ${request.name}, and ${state}: ${cause.message}`, {
    cure: 'Give pods fewer ranges, ports or groups, or release some: the agent tries again every few seconds.',
    command: 'millrace status',
    cause,
    data: cause.data,
  });
}
