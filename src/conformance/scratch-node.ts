import { mkdtempSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cleanup } from '../base/cleanup.ts';
import { silentLogger } from '../base/log.ts';
import { bpfObjectPath } from '../base/project.ts';
import { createCgroup, findCgroup2, killCgroup, mountBpffs, moveToCgroup, removeCgroup, unmount } from '../kernel/index.ts';
import { DataPlane } from '../redirect/ebpf/data-plane.ts';

/** A node of this process's own: a cgroup that holds this very process, so that its sockets are the pods', and a bpf file system. */
export interface ScratchNode extends AsyncDisposable {
  readonly plane: DataPlane;
  readonly cgroup: string;
  readonly pins: string;
  /** Ends the current data plane without removing anything, and opens another on what it left, for `cgroup` or the node's own. */
  reopen(cgroup?: string): Promise<DataPlane>;
}

/**
 * Moves this process into a cgroup called `name` and loads the programs there, of another build where `object` names it. The caller disposes of
 * it, which undoes everything.
 * @throws UserError MACHINE_NO_CGROUP2, BPF_OBJECT_MISSING; VerifierError; SysError
 */
export async function createScratchNode(name: string, object?: string): Promise<ScratchNode> {
  const cleanup = new Cleanup();
  try {
    const home = ownCgroup();
    const top = join(findCgroup2(), name);
    cleanup.defer(async () => {
      await killCgroup(top);
      removeCgroup(top);
    });
    const cgroup = createCgroup(join(top, 'pods'));
    // The root cgroup is where this process usually was, and our own guard lets nobody move there.
    cleanup.defer(() => writeFileSync(join(home, 'cgroup.procs'), String(process.pid)));
    moveToCgroup(cgroup, process.pid);
    const pins = mkdtempSync(join(tmpdir(), `${name}-`));
    cleanup.defer(() => rmdirSync(pins));
    mountBpffs(pins);
    cleanup.defer(() => unmount(pins));
    const open = (at = cgroup) => DataPlane.open({ elf: readFileSync(bpfObjectPath(object)), cgroup: at, pins, log: silentLogger });
    let plane = await open();
    cleanup.defer(() => plane[Symbol.asyncDispose]());
    return {
      get plane() {
        return plane;
      },
      cgroup,
      pins,
      reopen: async (at) => {
        await plane[Symbol.asyncDispose]();
        plane = await open(at);
        return plane;
      },
      [Symbol.asyncDispose]: () => cleanup[Symbol.asyncDispose](),
    };
  } catch (error) {
    await cleanup[Symbol.asyncDispose]();
    throw error;
  }
}

/** The cgroup v2 directory of this process. */
function ownCgroup(): string {
  const path = /^0::(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? '/';
  return join(findCgroup2(), path);
}
