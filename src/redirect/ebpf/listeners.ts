import type { Stats } from 'node:fs';
import { closeSync, fstatSync, openSync, readFile } from 'node:fs';
import { readdir, readlink, stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { Pod } from '../../abi/gen/index.ts';
import { Size } from '../../abi/gen/index.ts';
import type { ListeningEntry } from '../../kernel/index.ts';
import { closeFd, inNetns, listeningSockets, pidfdGetFd, pidfdOpen, SysError } from '../../kernel/index.ts';
import { mapIp, unmapIp } from '../../pods/address.ts';
import type { DataPlaneMaps } from './maps.ts';
import type { NetnsTarget } from './pod-programs.ts';
import type { ListeningSocket } from './proc-net.ts';
import { parseListeners } from './proc-net.ts';

const readOpenFile = promisify(readFile);

/** Whether the kernel knows a listening socket of the proxy for this port, in either family. */
export function isListening(maps: DataPlaneMaps, cookie: bigint, port: number): boolean {
  for (const family of [4, 6]) {
    for (let slot = 0; slot < Size.LISTENER_SLOTS; slot += 1) {
      if (maps.listeners.get({ cookie, port, family, slot }) !== null) return true;
    }
  }
  return false;
}

/**
 * Adds the proxy's sockets that were listening before the programs were there: found in /proc, fetched with pidfd_getfd(2) (Linux ≥ 5.6), put
 * into the table. Only sockets whose maker, by uid or gid, is the proxy count. Processes are searched only where such a port is listened on.
 * Returns how many were added.
 */
export async function adoptListeners(maps: DataPlaneMaps, netns: NetnsTarget, pod: Pod): Promise<number> {
  const missing = [pod.outboundPort, pod.inboundPort].filter((port) => !isListening(maps, netns.cookie, port));
  if (missing.length === 0) return 0;
  const sockets = (await listenersOf(netns)).filter((socket) => missing.includes(socket.port));
  if (sockets.length === 0) return 0;
  let added = 0;
  for (const pid of await processesIn(netns.inode)) added += await adoptFrom(maps, { cookie: netns.cookie, pod }, pid, sockets);
  return added;
}

interface Target {
  readonly cookie: bigint;
  readonly pod: Pod;
}

async function adoptFrom(maps: DataPlaneMaps, target: Target, pid: number, sockets: readonly ListeningSocket[]): Promise<number> {
  let added = 0;
  for (const name of await readdir(`/proc/${pid}/fd`).catch(() => [])) {
    const path = `/proc/${pid}/fd/${name}`;
    const link = await readlink(path).catch(() => '');
    const socket = sockets.find(({ inode }) => link === `socket:[${inode}]`);
    if (socket === undefined || !isOfProxy(target.pod, await stat(path).catch(() => null))) continue;
    if (adopt(maps, target, pid, Number(name), socket)) added += 1;
  }
  return added;
}

/** A socket's inode keeps the file system ids of its maker, which is what the programs go by (bpf/lib/identity.bpf.h). */
function isOfProxy(pod: Pod, maker: Stats | null): boolean {
  if (maker === null) return false;
  return pod.uids.slice(0, pod.uidCount).includes(maker.uid) || pod.gids.slice(0, pod.gidCount).includes(maker.gid);
}

function adopt(maps: DataPlaneMaps, { cookie, pod }: Target, pid: number, remoteFd: number, socket: ListeningSocket): boolean {
  let pidfd = -1;
  let fd = -1;
  try {
    pidfd = pidfdOpen(pid);
    fd = pidfdGetFd(pidfd, remoteFd);
    // the process may have put another file in its place meanwhile
    const fetched = fstatSync(fd);
    if (String(fetched.ino) !== socket.inode || !isOfProxy(pod, fetched)) return false;
    const key = { cookie, port: socket.port, family: socket.family };
    if (socket.wildcard) maps.listenerAddrs.delete({ ...key, slot: 0 });
    else maps.listenerAddrs.set({ ...key, slot: 0 }, { addr: socket.address });
    for (let slot = 0; slot < Size.LISTENER_SLOTS; slot += 1) {
      if (maps.listeners.get({ ...key, slot }) !== null) continue;
      maps.listeners.set({ ...key, slot }, BigInt(fd), 'noexist');
      return true;
    }
    return false;
  } catch (error) {
    // the process or its socket went away while we looked: whoever takes their place will say so by listen()
    if (error instanceof SysError && ['ESRCH', 'EBADF', 'EOPNOTSUPP', 'EEXIST', 'EINVAL'].includes(error.errno)) return false;
    throw error;
  } finally {
    if (fd >= 0) closeFd(fd);
    if (pidfd >= 0) closeFd(pidfd);
  }
}

async function listenersOf(netns: NetnsTarget): Promise<readonly ListeningSocket[]> {
  return listeningSockets(netns)?.map(fromDiag) ?? (await listenersInProc(netns));
}

function fromDiag({ family, address, port, inode }: ListeningEntry): ListeningSocket {
  const ip = unmapIp({ family, bytes: address });
  return { family: ip.family, address: mapIp(ip), wildcard: ip.bytes.every((byte) => byte === 0), port, inode: String(inode) };
}

/** For kernels that cannot be asked. Opened inside the namespace, and read wherever: an open file of /proc/net keeps to its namespace. */
async function listenersInProc(netns: NetnsTarget): Promise<readonly ListeningSocket[]> {
  const found: ListeningSocket[] = [];
  for (const family of [4, 6] as const) {
    const fd = inNetns(netns.fd, () => openIfThere(`/proc/thread-self/net/tcp${family === 4 ? '' : '6'}`));
    if (fd === null) continue;
    try {
      found.push(...parseListeners(await readOpenFile(fd, 'utf8'), family));
    } finally {
      closeSync(fd);
    }
  }
  return found;
}

/** A kernel without IPv6 has no tcp6. */
function openIfThere(path: string): number | null {
  try {
    return openSync(path, 'r');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}

async function processesIn(netnsInode: bigint): Promise<readonly number[]> {
  const wanted = `net:[${netnsInode}]`;
  const pids = (await readdir('/proc')).filter((name) => /^[0-9]+$/.test(name)).map(Number);
  const found: number[] = [];
  for (const pid of pids) if ((await readlink(`/proc/${pid}/ns/net`).catch(() => '')) === wanted) found.push(pid);
  return found;
}
