import { mkdtempSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '../../src/base/log.ts';
import { bpfObjectPath } from '../../src/base/project.ts';
import { createCgroup, findCgroup2, killCgroup, mountBpffs, moveToCgroup, removeCgroup, unmount } from '../../src/kernel/index.ts';
import { DataPlane } from '../../src/redirect/ebpf/data-plane.ts';

/** A node of a test's own: a cgroup that holds this very process, so that its sockets are the pods', and a bpf file system. */
export interface TestNode extends AsyncDisposable {
  readonly plane: DataPlane;
  readonly cgroup: string;
  readonly pins: string;
  /** Ends the current data plane without removing anything, and opens another on what it left. */
  reopen(): Promise<DataPlane>;
}

export async function createTestNode(): Promise<TestNode> {
  const root = join(findCgroup2(), `millrace-test-${process.pid}`);
  const cgroup = join(root, 'pods');
  createCgroup(cgroup);
  const before = ownCgroup();
  moveToCgroup(cgroup, process.pid);
  const pins = mkdtempSync(join(tmpdir(), 'millrace-bpf-'));
  mountBpffs(pins);
  const open = () => DataPlane.open({ elf: readFileSync(bpfObjectPath()), cgroup, pins, log: silentLogger });
  let plane = await open();
  return {
    get plane() {
      return plane;
    },
    cgroup,
    pins,
    reopen: async () => {
      await plane[Symbol.asyncDispose]();
      plane = await open();
      return plane;
    },
    [Symbol.asyncDispose]: async () => {
      await plane[Symbol.asyncDispose]();
      unmount(pins);
      rmdirSync(pins);
      writeFileSync(join(before, 'cgroup.procs'), String(process.pid));
      await killCgroup(root);
      removeCgroup(root);
    },
  };
}

/** The cgroup v2 directory of this process; the root's, usually, which src/kernel refuses to touch and this test must return to. */
function ownCgroup(): string {
  const path = /^0::(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1];
  if (path === undefined) throw new Error('this process is in no cgroup v2');
  return join(findCgroup2(), path);
}
