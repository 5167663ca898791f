export {
  type InterfaceAddress,
  netnsAddresses,
  netnsInterfaces,
  netnsRoutes,
  type Route,
  watchAddresses,
} from './addresses.ts';
export type { AttachTypeName } from './bpf-constants.ts';
export { enableStats, objectIds, openById } from './bpf-objects.ts';
export type { TestRun } from './bpf-programs.ts';
export {
  cgroupId,
  cgroupPopulated,
  cgroupProcesses,
  createCgroup,
  findCgroup2,
  killCgroup,
  moveToCgroup,
  openCgroup,
  removeCgroup,
} from './cgroup.ts';
export { bytes, bytesCodec, type FieldCodec, type MapCodec, mapCodec, u32, u64 } from './codec.ts';
export { netnsForwards } from './forwarding.ts';
export { closeFd, duplicateFd, openFd } from './libc.ts';
export { Link, type LinkInfo, type LinkTarget } from './link.ts';
export { BpfMap, type MapCreation } from './map.ts';
export type { MapInfo } from './map-info.ts';
export { findBpffs, isBpffs, mountBpffs, unmount } from './mount.ts';
export { inNetns, type NetnsHandle, openNetns, socketIn } from './netns.ts';
export { BpfObject } from './object.ts';
export type { LoadOptions, MapOptions } from './object-load.ts';
export { patchConstant64 } from './patch-instructions.ts';
export { pidfdGetFd, pidfdOpen } from './pidfd.ts';
export { FdPoller, pollEvents } from './poller.ts';
export type { ProbeAnswer, ProbeResult } from './probe.ts';
export { missingRequirements, runProbes } from './probes.ts';
export { Program, type ProgramInfo } from './program.ts';
export { type RecordHandler, watchRing } from './ring.ts';
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
  socketNetnsCookie,
  socketOption,
  waitConnected,
} from './sockets.ts';
export { isSysError, SysError } from './sys-error.ts';
export { VerifierError } from './verifier-error.ts';
