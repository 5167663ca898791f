import type { Pointer } from './ffi.ts';
import { lastErrno, loadLibrary } from './ffi.ts';
import { SysError } from './sys-error.ts';

/**
 * libc, one wrapper per function, by header. The casts are the only typing of the native functions: each stands beside its C declaration.
 * Failing calls throw SysError, except those that say otherwise.
 */
function bind() {
  const lib = loadLibrary('libc.so.6', 'libc6');
  return {
    // <unistd.h>
    close: lib.func('int close(int fd)') as (fd: number) => number,
    sysconf: lib.func('long sysconf(int name)') as (name: number) => number,
    // Variadic in C; a fixed arity is right for integer arguments on the x86-64 and arm64 Linux ABIs.
    syscall: lib.func('long syscall(long number, long a, void *b, long c)') as (number: number, a: number, b: Pointer, c: number) => number,
    syscallInts: lib.func('syscall', 'long', ['long', 'long', 'long', 'long']) as (nr: number, a: number, b: number, c: number) => number,
    syscallSix: lib.func('syscall', 'long', ['long', 'long', 'long', 'long', 'long', 'void *', 'long']) as (
      number: number,
      a: number,
      b: number,
      c: number,
      d: number,
      e: Pointer,
      f: number,
    ) => number,
    // <fcntl.h>
    open: lib.func('int open(const char *path, int flags, unsigned int mode)') as (path: string, flags: number, mode: number) => number,
    fcntl: lib.func('int fcntl(int fd, int command, long argument)') as (fd: number, command: number, argument: number) => number,
    // <sys/file.h>
    flock: lib.func('int flock(int fd, int operation)') as (fd: number, operation: number) => number,
    // <malloc.h>
    mallopt: lib.func('int mallopt(int option, int value)') as (option: number, value: number) => number,
    // <sched.h>
    setns: lib.func('int setns(int fd, int type)') as (fd: number, type: number) => number,
    // <sys/ioctl.h>
    ioctl: lib.func('int ioctl(int fd, unsigned long request, long argument)') as (fd: number, request: number, argument: number) => number,
    // <sys/mman.h>
    mmap: lib.func('void *mmap(void *address, size_t length, int protection, int flags, int fd, int64_t offset)') as (
      address: Pointer,
      length: number,
      protection: number,
      flags: number,
      fd: number,
      offset: number,
    ) => bigint | null,
    munmap: lib.func('int munmap(void *address, size_t length)') as (address: bigint, length: number) => number,
    // <sys/mount.h>
    mount: lib.func('int mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data)') as (
      source: string,
      target: string,
      type: string,
      flags: number,
      data: string | null,
    ) => number,
    umount2: lib.func('int umount2(const char *target, int flags)') as (target: string, flags: number) => number,
    // <sys/socket.h>
    socket: lib.func('int socket(int domain, int type, int protocol)') as (domain: number, type: number, protocol: number) => number,
    bind: lib.func('int bind(int fd, const void *address, uint32_t length)') as (fd: number, address: Pointer, length: number) => number,
    getsockname: lib.func('int getsockname(int fd, void *address, void *length)') as (
      fd: number,
      address: Pointer,
      length: Pointer,
    ) => number,
    connect: lib.func('int connect(int fd, const void *address, uint32_t length)') as (
      fd: number,
      address: Pointer,
      length: number,
    ) => number,
    getpeername: lib.func('int getpeername(int fd, void *address, void *length)') as (
      fd: number,
      address: Pointer,
      length: Pointer,
    ) => number,
    send: lib.func('long send(int fd, const void *data, size_t length, int flags)') as (
      fd: number,
      data: Pointer,
      length: number,
      flags: number,
    ) => number,
    recv: lib.func('long recv(int fd, void *data, size_t length, int flags)') as (
      fd: number,
      data: Pointer,
      length: number,
      flags: number,
    ) => number,
    getsockopt: lib.func('int getsockopt(int fd, int level, int name, void *value, void *length)') as (
      fd: number,
      level: number,
      name: number,
      value: Pointer,
      length: Pointer,
    ) => number,
    setsockopt: lib.func('int setsockopt(int fd, int level, int name, const void *value, uint32_t length)') as (
      fd: number,
      level: number,
      name: number,
      value: Pointer,
      length: number,
    ) => number,
    listen: lib.func('int listen(int fd, int backlog)') as (fd: number, backlog: number) => number,
    accept4: lib.func('int accept4(int fd, void *address, void *length, int flags)') as (
      fd: number,
      address: Pointer,
      length: Pointer,
      flags: number,
    ) => number,
    sendto: lib.func('long sendto(int fd, const void *data, size_t length, int flags, const void *address, uint32_t size)') as (
      fd: number,
      data: Pointer,
      length: number,
      flags: number,
      address: Pointer,
      size: number,
    ) => number,
    recvfrom: lib.func('long recvfrom(int fd, void *data, size_t length, int flags, void *address, void *size)') as (
      fd: number,
      data: Pointer,
      length: number,
      flags: number,
      address: Pointer,
      size: Pointer,
    ) => number,
    sendmsg: lib.func('long sendmsg(int fd, const void *message, int flags)') as (fd: number, message: Pointer, flags: number) => number,
    recvmsg: lib.func('long recvmsg(int fd, void *message, int flags)') as (fd: number, message: Pointer, flags: number) => number,
    shutdown: lib.func('int shutdown(int fd, int how)') as (fd: number, how: number) => number,
    socketpair: lib.func('int socketpair(int domain, int type, int protocol, void *fds)') as (
      domain: number,
      type: number,
      protocol: number,
      fds: Pointer,
    ) => number,
    // <poll.h>
    poll: lib.func('int poll(void *fds, unsigned long count, int timeout)') as (fds: Pointer, count: number, timeout: number) => number,
    // <sys/epoll.h>
    epollCreate1: lib.func('int epoll_create1(int flags)') as (flags: number) => number,
    epollCtl: lib.func('int epoll_ctl(int epoll, int operation, int fd, void *event)') as (
      epoll: number,
      operation: number,
      fd: number,
      event: Pointer,
    ) => number,
    epollWait: lib.func('int epoll_wait(int epoll, void *events, int maximum, int timeout)') as (
      epoll: number,
      events: Pointer,
      maximum: number,
      timeout: number,
    ) => number,
    // <stdio.h>; the va_list of the x86-64 and arm64 ABIs arrives as a pointer
    vsnprintf: lib.func('int vsnprintf(void *text, size_t size, const char *format, void *arguments)') as (
      text: Pointer,
      size: number,
      format: string,
      args: bigint,
    ) => number,
  };
}

let bound: ReturnType<typeof bind> | null = null;

/** The native functions themselves, bound at the first use; they return what C returns and leave errno. For the wrappers of this folder. */
export function libc(): ReturnType<typeof bind> {
  bound ??= bind();
  return bound;
}

/** Passes a non-negative result on and turns -1 into a SysError. Call it with the native call as its argument, so that errno is still fresh. */
export function check(result: number, call: string): number {
  if (result < 0) throw new SysError(call, lastErrno());
  return result;
}

export const openFlags = { O_RDONLY: 0, O_NONBLOCK: 0o4000, O_DIRECTORY: 0o200000, O_CLOEXEC: 0o2000000, O_PATH: 0o10000000 } as const;

const F_DUPFD_CLOEXEC = 1030;
const SC_PAGESIZE = 30;

/** Closes a descriptor that the caller owns. */
export function closeFd(fd: number): void {
  check(libc().close(fd), `close(${fd})`);
}

/** A second descriptor (close-on-exec) of the same open file, owned by the caller. */
export function duplicateFd(fd: number): number {
  return check(libc().fcntl(fd, F_DUPFD_CLOEXEC, 0), `dup(${fd})`);
}

/** Opens a path close-on-exec, with O_RDONLY unless other flags are given. The caller owns the descriptor. */
export function openFd(path: string, flags: number = openFlags.O_RDONLY): number {
  return check(libc().open(path, flags | openFlags.O_CLOEXEC, 0), `open ${path}`);
}

/** Bytes of a page. */
export function pageSize(): number {
  return check(libc().sysconf(SC_PAGESIZE), 'sysconf(_SC_PAGESIZE)');
}
