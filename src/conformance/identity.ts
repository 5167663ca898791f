/** Who creates a socket: effective ids, which are what counts (contract A.7). */
export interface Identity {
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups; this process's own unless told. */
  readonly groups?: readonly number[];
}

export const application: Identity = { uid: 1000, gid: 1000 };
export const proxy: Identity = { uid: 1337, gid: 1337 };
export const root: Identity = { uid: 0, gid: 0 };

/** Does something synchronous with other effective ids, which the kernel also takes for file system ids. The process must be root. */
export function asIdentity<T>(who: Identity, work: () => T): T {
  const groups = process.getgroups?.() ?? [];
  if (who.groups !== undefined) process.setgroups?.([...who.groups]);
  process.setegid?.(who.gid);
  process.seteuid?.(who.uid);
  try {
    return work();
  } finally {
    process.seteuid?.(0);
    process.setegid?.(0);
    if (who.groups !== undefined) process.setgroups?.(groups);
  }
}
