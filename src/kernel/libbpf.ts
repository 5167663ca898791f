import koffi from 'koffi';
import type { Async, Pointer } from './ffi.ts';
import { addressOf, cString, lastErrno, loadLibrary } from './ffi.ts';
import { libc } from './libc.ts';
import { SysError } from './sys-error.ts';

/** A `struct bpf_object *`, `struct bpf_program *` or `struct bpf_map *`. */
export type Handle = bigint;

/**
 * libbpf 1.1 or later, one entry per function, in the order of bpf/libbpf.h and bpf/bpf.h. Functions returning int return -errno;
 * functions returning a pointer return NULL and leave errno.
 */
function bind() {
  const lib = loadLibrary('libbpf.so.1', 'libbpf1');
  const printFn = koffi.proto('int', ['int', 'const char *', 'void *']);
  return {
    printFn,
    versionString: lib.func('const char *libbpf_version_string()') as () => string,
    setPrint: lib.func('libbpf_set_print', 'void *', [koffi.pointer(printFn)]) as (callback: bigint | null) => bigint | null,
    objectOpenMem: lib.func('void *bpf_object__open_mem(const void *elf, size_t size, const void *options)') as (
      elf: Pointer,
      size: number,
      options: Pointer,
    ) => Handle | null,
    objectLoad: lib.func('int bpf_object__load(void *object)') as unknown as Async<[Handle], number>,
    objectClose: lib.func('void bpf_object__close(void *object)') as (object: Handle) => void,
    objectNextProgram: lib.func('void *bpf_object__next_program(void *object, void *previous)') as (
      object: Handle,
      previous: Handle | null,
    ) => Handle | null,
    programName: lib.func('const char *bpf_program__name(void *program)') as (program: Handle) => string,
    programSetAutoload: lib.func('int bpf_program__set_autoload(void *program, bool autoload)') as (
      program: Handle,
      autoload: boolean,
    ) => number,
    programInsns: lib.func('void *bpf_program__insns(void *program)') as (program: Handle) => bigint | null,
    programInsnCnt: lib.func('size_t bpf_program__insn_cnt(void *program)') as (program: Handle) => number,
    programFd: lib.func('int bpf_program__fd(void *program)') as (program: Handle) => number,
    objectNextMap: lib.func('void *bpf_object__next_map(void *object, void *previous)') as (
      object: Handle,
      previous: Handle | null,
    ) => Handle | null,
    mapFd: lib.func('int bpf_map__fd(void *map)') as (map: Handle) => number,
    mapReuseFd: lib.func('int bpf_map__reuse_fd(void *map, int fd)') as (map: Handle, fd: number) => number,
    mapName: lib.func('const char *bpf_map__name(void *map)') as (map: Handle) => string,
    mapType: lib.func('int bpf_map__type(void *map)') as (map: Handle) => number,
    mapMaxEntries: lib.func('uint32_t bpf_map__max_entries(void *map)') as (map: Handle) => number,
    mapSetMaxEntries: lib.func('int bpf_map__set_max_entries(void *map, uint32_t entries)') as (map: Handle, entries: number) => number,
    mapKeySize: lib.func('uint32_t bpf_map__key_size(void *map)') as (map: Handle) => number,
    mapValueSize: lib.func('uint32_t bpf_map__value_size(void *map)') as (map: Handle) => number,
    mapInitialValue: lib.func('void *bpf_map__initial_value(void *map, void *size)') as (map: Handle, size: Pointer) => bigint | null,
    progLoad: lib.func(
      'int bpf_prog_load(int type, const char *name, const char *license, const void *instructions, size_t count, const void *options)',
    ) as unknown as Async<[number, string, string, Pointer, number, Pointer], number>,
  };
}

let bound: ReturnType<typeof bind> | null = null;

/** The native functions, bound at the first use. @throws UserError LIBRARY_MISSING */
export function libbpf(): ReturnType<typeof bind> {
  bound ??= bind();
  return bound;
}

/** Turns -errno of a libbpf function into a SysError. */
export function checkLibbpf(result: number, call: string): number {
  if (result < 0) throw new SysError(call, -result);
  return result;
}

/** Turns NULL of a libbpf function into a SysError; call it with the native call as its argument, so that errno is fresh. */
export function checkPointer(pointer: bigint | null, call: string): bigint {
  if (pointer === null || pointer === 0n) throw new SysError(call, lastErrno());
  return pointer;
}

const messageBytes = 16 * 1024;
let registered: bigint | null = null;
let receive: ((message: string) => void) | null = null;

/**
 * Sends libbpf's warnings and notes to `receiver`, or nowhere with null. The native callback is registered once and kept: libbpf may
 * call it from another thread, and then koffi runs it here.
 */
export function onLibbpfMessage(receiver: ((message: string) => void) | null): void {
  receive = receiver;
  if (registered !== null) return;
  const text = Buffer.alloc(messageBytes);
  const debugLevel = 2;
  const callback = (level: number, format: string, args: bigint): number => {
    if (receive === null || level >= debugLevel) return 0;
    const length = libc().vsnprintf(text, text.length, format, args);
    receive(text.toString('latin1', 0, Math.min(length, text.length - 1)).trimEnd());
    return 0;
  };
  registered = koffi.register(callback, koffi.pointer(libbpf().printFn));
  libbpf().setPrint(registered);
}

/** Address of a NUL-terminated copy and the copy itself, which must be kept until the callee is done. */
export function keptString(text: string): { readonly bytes: Buffer; readonly address: bigint } {
  const bytes = cString(text);
  return { bytes, address: addressOf(bytes) };
}
