import type { ChildProcess } from 'node:child_process';
import { execFileSync, spawn } from 'node:child_process';
import { readlinkSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';

/** A network namespace of a test's own, alive as long as its one process. */
export interface ScratchNetns {
  readonly pid: number;
  /** /proc/PID/ns/net */
  readonly path: string;
  /** /proc/PID/ns/user */
  readonly userns: string;
  /** Runs a program inside and gives its standard output; throws with its standard error when it fails. */
  run(program: string, args: readonly string[], input?: string): string;
  close(): Promise<void>;
}

/** Makes a namespace with lo up and an eth0 (10.9.0.2/24, fd00:9::2/64) that leads nowhere as the way out. It dies with the test, however that ends. */
export async function makeScratchNetns(options: { readonly ownUserns?: boolean } = {}): Promise<ScratchNetns> {
  const unshare = options.ownUserns === true ? ['unshare', '--user', '--map-root-user', '--net'] : ['unshare', '--net'];
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...unshare, 'sleep', '3600'], { stdio: 'ignore' });
  const pid = await entered(child);
  const enter = [`--net=/proc/${pid}/ns/net`, ...(options.ownUserns === true ? [`--user=/proc/${pid}/ns/user`] : []), '--'];
  const netns: ScratchNetns = {
    pid,
    path: `/proc/${pid}/ns/net`,
    userns: `/proc/${pid}/ns/user`,
    run: (program, args, input) =>
      execFileSync('nsenter', [...enter, program, ...args], { encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'], input: input ?? '' }),
    async close() {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await gone;
    },
  };
  for (const command of [
    'link set lo up',
    'link add eth0 type veth peer name far',
    'link set far up',
    'link set eth0 up',
    'address add 10.9.0.2/24 dev eth0',
    '-6 address add fd00:9::2/64 dev eth0 nodad',
    'route add default dev eth0',
    '-6 route add default dev eth0',
  ]) {
    netns.run('ip', command.split(' '));
  }
  return netns;
}

/** Waits until the child has become `sleep`, so that every namespace it asked for is made. */
async function entered(child: ChildProcess): Promise<number> {
  const { pid } = child;
  if (pid === undefined) throw new Error('cannot start setpriv');
  const here = readlinkSync('/proc/self/ns/net');
  for (let attempt = 0; attempt < 200; attempt += 1) {
    await setTimeout(10);
    if (child.exitCode !== null) throw new Error(`unshare ended with ${child.exitCode}`);
    if (readlinkSync(`/proc/${pid}/ns/net`) !== here && readlinkSync(`/proc/${pid}/exe`).endsWith('sleep')) return pid;
  }
  throw new Error('unshare made no namespace within two seconds');
}
