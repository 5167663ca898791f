import { mkdtempSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cleanup } from '../../src/base/cleanup.ts';
import { silentLogger } from '../../src/base/log.ts';
import { bpfObjectPath } from '../../src/base/project.ts';
import { createCgroup, findCgroup2, killCgroup, mountBpffs, moveToCgroup, removeCgroup, unmount } from '../../src/kernel/index.ts';
import { DataPlane } from '../../src/redirect/ebpf/data-plane.ts';

/** A node of a test's own: a cgroup that holds this very process, so that its sockets are the pods', and a bpf file system. */
export interface TestNode extends AsyncDisposable {
  readonly plane: DataPlane;
  readonly cgroup: string;
  readonly pins: string;
  /** Ends the current data plane without removing anything, and opens another on what it left, for `cgroup` or the node's own. */
  reopen(cgroup?: string): Promise<DataPlane>;
}

export async function createTestNode(): Promise<TestNode> {
  const cleanup = new Cleanup();
  try {
    const root = join(findCgroup2(), `millrace-test-${process.pid}`);
    const cgroup = join(root, 'pods');
    cleanup.defer(async () => {
      await killCgroup(root);
      removeCgroup(root);
    });
    createCgroup(cgroup);
    const before = ownCgroup();
    cleanup.defer(() => writeFileSync(join(before, 'cgroup.procs'), String(process.pid)));
    moveToCgroup(cgroup, process.pid);
    const pins = mkdtempSync(join(tmpdir(), 'millrace-bpf-'));
    cleanup.defer(() => rmdirSync(pins));
    mountBpffs(pins);
    cleanup.defer(() => unmount(pins));
    const open = (at = cgroup) => DataPlane.open({ elf: readFileSync(bpfObjectPath()), cgroup: at, pins, log: silentLogger });
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

/** The cgroup v2 directory of this process; the root's, usually, which src/kernel refuses to touch and this test must return to. */
function ownCgroup(): string {
  const path = /^0::(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1];
  if (path === undefined) throw new Error('this process is in no cgroup v2');
  return join(findCgroup2(), path);
}
