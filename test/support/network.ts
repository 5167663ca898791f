import type { ChildProcess } from 'node:child_process';
import { execFileSync, spawn } from 'node:child_process';
import { readlinkSync } from 'node:fs';
import type { NetnsHandle } from '../../src/kernel/index.ts';
import { openNetns } from '../../src/kernel/index.ts';

/** A network namespace that lives as long as its holder process; its end, however it comes, is the namespace's. */
export interface TestNetns extends Disposable {
  readonly path: string;
  readonly handle: NetnsHandle;
  /** Runs one `ip` command per line inside. */
  ip(batch: string): void;
}

/** Makes an empty namespace with loopback up. */
export async function createNetns(): Promise<TestNetns> {
  const holder = spawn('setpriv', ['--pdeathsig', 'KILL', 'unshare', '--net', '--', 'sleep', '600'], { stdio: 'ignore' });
  const path = `/proc/${holder.pid}/ns/net`;
  await untilOwnNamespace(holder, path);
  const handle = openNetns(path);
  const ip = (batch: string): void => {
    execFileSync('nsenter', [`--net=${path}`, '--', 'ip', '-batch', '-'], { input: batch });
  };
  ip('link set lo up\n');
  return {
    path,
    handle,
    ip,
    [Symbol.dispose]: () => {
      handle.close();
      holder.kill('SIGKILL');
    },
  };
}

async function untilOwnNamespace(holder: ChildProcess, path: string): Promise<void> {
  const ours = readlinkSync('/proc/self/ns/net');
  for (let attempt = 0; attempt < 500; attempt += 1) {
    if (holder.exitCode !== null) throw new Error(`the namespace holder ended with ${holder.exitCode}`);
    if (readlinkSync(path) !== ours) return;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  throw new Error('the namespace holder did not enter its namespace');
}

/** A pod and a host outside of it, joined by one link: 10.9.0.2 (and .22, fd00:9::2) to 10.9.0.1 (fd00:9::1). */
export interface PodNetwork extends Disposable {
  readonly pod: TestNetns;
  readonly outside: TestNetns;
}

export async function createPodNetwork(): Promise<PodNetwork> {
  const pod = await createNetns();
  const outside = await createNetns();
  const pid = /\/proc\/(\d+)\//.exec(pod.path)?.[1];
  outside.ip(
    `link add eth0 type veth peer name eth0 netns ${pid}\nlink set eth0 up\naddr add 10.9.0.1/24 dev eth0\naddr add fd00:9::1/64 dev eth0 nodad\n`,
  );
  pod.ip(
    [
      'link set eth0 up',
      'addr add 10.9.0.2/24 dev eth0',
      'addr add 10.9.0.22/24 dev eth0',
      'addr add fd00:9::2/64 dev eth0 nodad',
      'addr add ::6/128 dev lo',
      'route add default via 10.9.0.1',
      'route add default via fd00:9::1',
      '',
    ].join('\n'),
  );
  return {
    pod,
    outside,
    [Symbol.dispose]: () => {
      pod[Symbol.dispose]();
      outside[Symbol.dispose]();
    },
  };
}
