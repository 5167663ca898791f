export {
  type InterfaceAddress,
  netnsAddresses,
  netnsIdIn,
  netnsInterfaces,
  netnsLinks,
  netnsRoutes,
  type Route,
  watchAddresses,
} from './addresses.ts';
export type { AttachTypeName } from './bpf-constants.ts';
export { enableStats, objectIds, openById } from './bpf-objects.ts';
export { cgroupId, createCgroup, findCgroup2, killCgroup, moveToCgroup, removeCgroup } from './cgroup.ts';
export { bytesCodec, type FieldCodec, mapCodec, u32, u64 } from './codec.ts';
export { tryLockFile } from './file-lock.ts';
export { netnsForwards } from './forwarding.ts';
export { closeFd } from './libc.ts';
export { Link } from './link.ts';
export { ensureLocalRoute } from './local-route.ts';
export { giveFreedMemoryBack } from './malloc.ts';
export { BpfMap } from './map.ts';
export type { Batch } from './map-batch.ts';
export { findBpffs, isBpffs, mountBpffs, unmount } from './mount.ts';
export { inNetns, type NetnsHandle, openNetns, socketIn } from './netns.ts';
export { BpfObject } from './object.ts';
export { patchConstant64 } from './patch-instructions.ts';
export { pidfdGetFd, pidfdOpen } from './pidfd.ts';
export { FdPoller, pollEvents } from './poller.ts';
export type { ProbeResult } from './probe.ts';
export { runProbes } from './probes.ts';
export { Program, type ProgramInfo } from './program.ts';
export { watchRing } from './ring.ts';
export { type ListeningEntry, listeningSockets } from './sock-diag.ts';
export { decodeSockaddr, encodeSockaddr, type SocketAddress } from './sockaddr.ts';
export {
  bindSocket,
  connectSocket,
  localAddress,
  openSocket,
  originalDestination,
  peerAddress,
  type SocketOptions,
  socketError,
  socketOption,
  waitConnected,
} from './sockets.ts';
export { isSysError, SysError } from './sys-error.ts';
