import { execFile } from 'node:child_process';
import { mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cleanup } from '../../src/base/cleanup.ts';
import type { Arena } from '../support/arena.ts';
import { createArena, redirectors, server } from '../support/arena.ts';

const curl = `curl -s -m 3 telnet://${server}:80 < /dev/null`;

describe.each(redirectors)('an application that leaves where it was put (%s)', (redirector) => {
  const cleanup = new Cleanup();
  let arena: Arena;

  beforeAll(async () => {
    arena = cleanup.use(await createArena(redirector));
  });

  afterAll(() => cleanup[Symbol.asyncDispose]());

  /** What a shell script prints that is run inside the pod; a failing command ends it, and says so. */
  const inPod = async (uid: number, script: string): Promise<string> => {
    const enter = [`--net=${arena.network.pod.path}`, '--setuid', String(uid), '--setgid', String(uid), '--'];
    const { stdout } = await promisify(execFile)('nsenter', [...enter, 'sh', '-c', script], { timeout: 10_000 });
    return stdout.trim();
  };

  /** A cgroup of the test's own, below `parent`; it goes when nothing is in it any more. */
  const cgroupBelow = (parent: string): Disposable & { readonly path: string } => {
    const path = join(parent, 'own');
    mkdirSync(path);
    return { path, [Symbol.dispose]: () => rmdirSync(path) };
  };

  it('reaches nobody from a network namespace of its own', async () => {
    const made = await inPod(1000, `unshare --user --map-root-user --net sh -c 'ip link set lo up; ${curl}; echo "curl ended with $?"'`);
    // 7: could not connect
    expect(made).toBe('curl ended with 7');
    const joined = `unshare --user --map-root-user --net sh -c 'ip link add v0 type veth peer name v1 netns ${process.pid}' 2>/dev/null; echo $?`;
    expect(await inPod(1000, joined)).not.toBe('0');
  });

  it('is captured in a cgroup below its own, which root of the pod may make', async () => {
    using below = cgroupBelow(arena.node.cgroup);
    expect(await inPod(0, `echo $$ > ${below.path}/cgroup.procs && ${curl}`)).toBe('outbound');
  });

  it('cannot move itself to another cgroup as uid 1000', async () => {
    expect(await inPod(1000, `(echo $$ > ${dirname(arena.node.cgroup)}/cgroup.procs) 2>/dev/null; ${curl}`)).toBe('outbound');
  });

  it('is captured by iptables alone when somebody with the cgroups of the node moves it out of those of the pods', async () => {
    using beside = cgroupBelow(dirname(arena.node.cgroup));
    expect(await inPod(0, `echo $$ > ${beside.path}/cgroup.procs && ${curl}`)).toBe(redirector === 'ebpf' ? 'real' : 'outbound');
    // and back, so that nothing depends on the order
    writeFileSync(join(arena.node.cgroup, 'cgroup.procs'), String(process.pid));
    expect(await inPod(0, curl)).toBe('outbound');
  });
});
