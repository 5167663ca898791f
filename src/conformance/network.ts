import type { ChildProcess } from 'node:child_process';
import { execFileSync, spawn } from 'node:child_process';
import { readlinkSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { MillraceError } from '../base/errors.ts';
import type { NetnsHandle } from '../kernel/index.ts';
import { inNetns, openNetns } from '../kernel/index.ts';

/** A network namespace that lives as long as its holder process; its end, however it comes, is the namespace's. */
export interface ScratchNetns extends Disposable {
  readonly pid: number;
  /** /proc/PID/ns/net */
  readonly path: string;
  /** /proc/PID/ns/user */
  readonly userns: string;
  readonly handle: NetnsHandle;
  /** Runs one `ip` command per line inside. */
  ip(batch: string): void;
  /** Sets a key below /proc/sys/net, written with slashes. */
  sysctl(key: string, value: string): void;
}

export interface NetnsOptions {
  /** Makes a user namespace that owns the network namespace: ids 0 to 65535 in it are the ids from this one on outside. */
  readonly firstId?: number;
}

/** Makes an empty namespace with loopback up. @throws MillraceError SYS when the holder does not start */
export async function createNetns(options: NetnsOptions = {}): Promise<ScratchNetns> {
  const namespaces = options.firstId === undefined ? ['--net'] : ['--user', '--net'];
  const command = ['--pdeathsig', 'KILL', 'unshare', ...namespaces, '--', 'sleep', 'infinity'];
  // Detached: a Ctrl-C of the terminal is for us, who still need the namespace to clean up.
  const holder = spawn('setpriv', command, { stdio: 'ignore', detached: true });
  const pid = await untilInside(holder);
  if (options.firstId !== undefined) {
    for (const map of ['uid_map', 'gid_map']) writeFileSync(`/proc/${pid}/${map}`, `0 ${options.firstId} 65536\n`);
  }
  const path = `/proc/${pid}/ns/net`;
  const handle = openNetns(path);
  const netns: ScratchNetns = {
    pid,
    path,
    userns: `/proc/${pid}/ns/user`,
    handle,
    ip: (batch) => {
      execFileSync('nsenter', [`--net=${path}`, '--', 'ip', '-batch', '-'], { input: batch, stdio: ['pipe', 'ignore', 'pipe'] });
    },
    // /proc/sys/net shows the network namespace of the thread that opens a file in it
    sysctl: (key, value) => inNetns(handle, () => writeFileSync(`/proc/sys/net/${key}`, value)),
    [Symbol.dispose]: () => {
      handle.close();
      holder.kill('SIGKILL');
    },
  };
  netns.ip('link set lo up\n');
  return netns;
}

/** Waits until the holder has become `sleep`, so that its namespaces are made. */
async function untilInside(holder: ChildProcess): Promise<number> {
  const { pid } = holder;
  if (pid === undefined) throw new MillraceError('SYS', 'Cannot make a network namespace because setpriv does not start');
  for (let attempt = 0; attempt < 2000; attempt += 1) {
    if (holder.exitCode !== null) break;
    if (isSleeping(pid)) return pid;
    await sleep(2);
  }
  holder.kill('SIGKILL');
  throw new MillraceError('SYS', `Cannot make a network namespace because its holder did not enter it: exit code ${holder.exitCode}`);
}

function isSleeping(pid: number): boolean {
  try {
    return readlinkSync(`/proc/${pid}/exe`).endsWith('/sleep');
  } catch {
    // Between two programs, or gone; the exit code tells.
    return false;
  }
}

/** One end of a link. Addresses are given with their prefixes. */
export interface LinkEnd {
  readonly netns: ScratchNetns;
  readonly name: string;
  readonly addresses: readonly string[];
}

/** Joins two namespaces by a pair of interfaces, which are up and have their addresses when this returns. */
export function joinByLink(one: LinkEnd, other: LinkEnd): void {
  one.netns.ip(`link add ${one.name} type veth peer name ${other.name} netns ${other.netns.pid}\n`);
  for (const { netns, name, addresses } of [one, other]) {
    const assigned = addresses.map((address) => `addr add ${address} dev ${name}${address.includes(':') ? ' nodad' : ''}`);
    netns.ip(ipBatch(`link set ${name} up`, ...assigned));
  }
}

/** Lines for `ScratchNetns.ip`. */
export function ipBatch(...lines: readonly string[]): string {
  return `${lines.join('\n')}\n`;
}
