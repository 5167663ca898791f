import type { Stats } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { constants, open, stat, statfs } from 'node:fs/promises';
import { UserError } from '../../base/errors.ts';
import type { CommandOptions, CommandResult } from './command.ts';
import { missingProgram, runCommand } from './command.ts';

/** statfs(2) of every namespace file; linux/magic.h NSFS_MAGIC. */
const nsfsMagic = 0x6e736673;
/**
 * The inode of the machine's own network namespace on kernels that fix it (NET_NS_INIT_INO of linux/nsfs.h, Linux 6.17). It lies below the
 * range from which all other namespaces are numbered, on every kernel, so it never means another one.
 */
const initialNetnsInode = 0xeffffff9;

export interface NetnsTarget {
  /** /proc/PID/ns/net, /run/netns/NAME, or /proc/self/fd/N. */
  readonly netns: string;
  /**
   * The user namespace that owns the network namespace (/proc/PID/ns/user), for pods with one of their own. Without it the kernel refuses
   * rules that match owners there (EINVAL), because ids would be read in the wrong namespace.
   */
  readonly userns?: string;
}

/** A network namespace held open: what runs in it runs there even when the path changes its meaning meanwhile. */
export interface OpenNetns {
  readonly path: string;
  /**
   * Runs a program in the namespace.
   * @throws UserError MACHINE_MISSING_PROGRAM, NETNS_INVALID when it is a namespace of another kind.
   */
  run(program: string, args: readonly string[], options?: CommandOptions): Promise<CommandResult>;
  close(): Promise<void>;
}

/**
 * Opens a pod's network namespace. The caller closes it.
 * @throws UserError NETNS_INVALID when the path is no namespace, or is the machine's own or ours, whose rules are never touched.
 */
export async function openNetns(target: NetnsTarget): Promise<OpenNetns> {
  const net = await openNamespace(target.netns);
  try {
    await refuseRoot(net, target.netns);
    const user = target.userns === undefined ? null : await openNamespace(target.userns);
    return hold(target, net, user);
  } catch (error) {
    await net.close();
    throw error;
  }
}

/** Opens the namespace, gives it to `work`, and closes it whatever happens. */
export async function withNetns<Result>(target: NetnsTarget, work: (netns: OpenNetns) => Promise<Result>): Promise<Result> {
  const netns = await openNetns(target);
  try {
    return await work(netns);
  } finally {
    await netns.close();
  }
}

function hold(target: NetnsTarget, net: FileHandle, user: FileHandle | null): OpenNetns {
  // Our own descriptors, seen by the child through our entry in /proc: the namespace cannot be swapped between the check and its use.
  const enter = [`--net=/proc/${process.pid}/fd/${net.fd}`];
  if (user !== null) enter.push(`--user=/proc/${process.pid}/fd/${user.fd}`);
  return {
    path: target.netns,
    async run(program, args, options) {
      const result = await runCommand('nsenter', [...enter, '--', program, ...args], options);
      if (result.exitCode !== 0) throwOnNsenterFailure(target, program, result);
      return result;
    },
    async close() {
      await user?.close();
      await net.close();
    },
  };
}

function throwOnNsenterFailure(target: NetnsTarget, program: string, result: CommandResult): void {
  if (/^nsenter: failed to execute .*: No such file or directory/m.test(result.stderr)) throw missingProgram(program);
  if (/^nsenter: /m.test(result.stderr)) throw invalid(target.netns, `it cannot be entered (${result.stderr.trim()})`);
}

async function openNamespace(path: string): Promise<FileHandle> {
  let handle: FileHandle;
  try {
    // Non-blocking, because a path that is no namespace may be a pipe that nobody writes to.
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw invalid(path, 'it cannot be opened', error);
  }
  if ((await statfs(`/proc/self/fd/${handle.fd}`)).type === nsfsMagic) return handle;
  await handle.close();
  throw invalid(path, 'it is not a namespace');
}

async function refuseRoot(net: FileHandle, path: string): Promise<void> {
  const [given, init, own] = await Promise.all([net.stat(), initNetns(), stat('/proc/self/ns/net')]);
  const same = (other: Stats) => other.ino === given.ino && other.dev === given.dev;
  if (given.ino === initialNetnsInode || (init !== null && same(init))) {
    throw invalid(path, "it is the machine's own network namespace, whose rules are never touched");
  }
  if (same(own)) throw invalid(path, 'Millrace itself runs in it, and rules there are never touched');
}

/** What the first process runs in; null where the kernel does not let us look, because that process has a capability that we lack. */
async function initNetns(): Promise<Stats | null> {
  try {
    return await stat('/proc/1/ns/net');
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'EACCES' || error.code === 'EPERM')) return null;
    throw error;
  }
}

function invalid(path: string, why: string, cause?: unknown): UserError {
  return new UserError('NETNS_INVALID', `Cannot work in the network namespace because ${why}: ${path}`, {
    cure: "Give the path of a pod's network namespace, such as /proc/PID/ns/net or /run/netns/NAME.",
    command: 'lsns -t net',
    data: { path },
    ...(cause === undefined ? {} : { cause }),
  });
}
