import { addressOf, keepAlive } from './ffi.ts';
import { check, closeFd, libc } from './libc.ts';
import { MappedMemory } from './mapped-memory.ts';
import type { SocketAddress } from './sockaddr.ts';
import { encodeSockaddr } from './sockaddr.ts';
import { isSysError, SysError } from './sys-error.ts';

const IO_URING_SETUP = 425;
const IO_URING_ENTER = 426;
const IORING_OP_CONNECT = 16;
const IOSQE_ASYNC = 1 << 4;
const IORING_ENTER_GETEVENTS = 1;
const IORING_ENTER_EXT_ARG = 8;
const IORING_OFF_SQES = 0x10000000;
const ETIME = 62;

/** Offsets in struct io_uring_params, and sizes of linux/io_uring.h. */
const params = { size: 120, cqEntries: 4, sqTail: 44, sqArray: 64, cqTail: 84, cqCqes: 100 } as const;
const entrySize = 64;
const completionSize = 16;

/** Whether io_uring may be used on this machine; it can be compiled out or switched off (kernel.io_uring_disabled). */
export function hasIoUring(): boolean {
  try {
    closeFd(setUp(Buffer.alloc(params.size)));
    return true;
  } catch (error) {
    if (isSysError(error, 'ENOSYS', 'EPERM')) return false;
    throw error;
  }
}

/**
 * connect(2) by io_uring on a worker thread of the kernel (IOSQE_ASYNC), not on the caller's: Linux ≥ 5.11. Blocks this thread until the
 * connection is made, for `timeoutMs` at most. @throws SysError (ECONNREFUSED; ETIME when nothing came in time)
 */
export function connectByWorker(fd: number, address: SocketAddress, timeoutMs: number): void {
  const layout = Buffer.alloc(params.size);
  const ring = setUp(layout);
  const ringSize = layout.readUInt32LE(params.cqCqes) + layout.readUInt32LE(params.cqEntries) * completionSize;
  const size = Math.max(ringSize, layout.readUInt32LE(params.sqArray) + 4);
  try {
    using queue = MappedMemory.map(ring, size, 'write');
    using entries = MappedMemory.map(ring, entrySize, 'write', IORING_OFF_SQES);
    const sockaddr = encodeSockaddr(address);
    const entry = entries.view(0, entrySize);
    entry.setUint8(0, IORING_OP_CONNECT);
    entry.setUint8(1, IOSQE_ASYNC);
    entry.setInt32(4, fd, true);
    entry.setBigUint64(8, BigInt(sockaddr.length), true);
    entry.setBigUint64(16, addressOf(sockaddr), true);
    const rings = queue.view(0, size);
    rings.setUint32(layout.readUInt32LE(params.sqArray), 0, true);
    rings.setUint32(layout.readUInt32LE(params.sqTail), 1, true);
    submitAndWait(ring, timeoutMs);
    keepAlive(sockaddr);
    if (rings.getUint32(layout.readUInt32LE(params.cqTail), true) === 0) throw new SysError(`io_uring connect(${fd})`, ETIME);
    const result = rings.getInt32(layout.readUInt32LE(params.cqCqes) + 8, true);
    if (result < 0) throw new SysError(`io_uring connect(${fd}, port ${address.port})`, -result);
  } finally {
    closeFd(ring);
  }
}

function setUp(layout: Buffer): number {
  return check(libc().syscall(IO_URING_SETUP, 1, layout, 0), 'io_uring_setup');
}

/** Submits the one entry and waits for its completion. struct io_uring_getevents_arg: no signal mask, and a struct timespec. */
function submitAndWait(ring: number, timeoutMs: number): void {
  const time = Buffer.alloc(16);
  time.writeBigInt64LE(BigInt(Math.floor(timeoutMs / 1000)), 0);
  time.writeBigInt64LE(BigInt((timeoutMs % 1000) * 1_000_000), 8);
  const argument = Buffer.alloc(24);
  argument.writeBigUInt64LE(addressOf(time), 16);
  try {
    const flags = IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG;
    check(libc().syscallSix(IO_URING_ENTER, ring, 1, 1, flags, argument, argument.length), 'io_uring_enter');
  } catch (error) {
    // What the completion queue says counts.
    if (!isSysError(error, 'ETIME', 'EINTR')) throw error;
  } finally {
    keepAlive(time);
  }
}
