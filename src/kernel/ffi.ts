import type { LibraryHandle } from 'koffi';
import koffi from 'koffi';
import { exitCodes, UserError } from '../base/errors.ts';

/** What a `void *` parameter takes: bytes that stay where they are during the call, an address, or NULL. */
export type Pointer = Uint8Array | bigint | null;

/** A native function that can also run on a thread of the pool; `done` is called on the main thread. */
export interface Async<Arguments extends readonly unknown[], Result> {
  (...args: Arguments): Result;
  async(...args: [...Arguments, (error: Error | null, result: Result) => void]): void;
}

/**
 * Loads a shared library by its soname.
 * @throws UserError LIBRARY_MISSING (exit code 3) naming the library and the package that brings it.
 */
export function loadLibrary(soname: string, debianPackage: string): LibraryHandle {
  try {
    return koffi.load(soname);
  } catch (cause) {
    throw new UserError(
      'LIBRARY_MISSING',
      `Cannot talk to the kernel because the shared library ${soname} does not load: ${String(cause)}`,
      {
        cure: `Install the package ${debianPackage}.`,
        command: `apt-get install ${debianPackage}`,
        exitCode: exitCodes.machine,
        cause,
        data: { library: soname },
      },
    );
  }
}

/** The address of the first byte. It does not keep `bytes` alive: hold a reference until the kernel is done with it. */
export function addressOf(bytes: Uint8Array): bigint {
  return koffi.address(bytes);
}

/** `length` bytes of foreign memory as an ArrayBuffer. Reading it after the memory is unmapped crashes the process: never hand it out. */
export function memoryAt(address: bigint, length: number): ArrayBuffer {
  return koffi.view(address, length);
}

/** errno of the call that has just returned on this thread; any call in between spoils it. */
export function lastErrno(): number {
  return koffi.errno();
}

/** A NUL-terminated UTF-8 string; NUL inside it ends it early in C, so it is refused. */
export function cString(text: string): Buffer {
  if (text.includes('\0')) throw new RangeError(`Cannot pass a string to C because it contains NUL: ${JSON.stringify(text)}`);
  return Buffer.from(`${text}\0`);
}

/** The string up to the first NUL, or all of it. */
export function fromCString(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return Buffer.from(bytes.buffer, bytes.byteOffset, end < 0 ? bytes.length : end).toString('utf8');
}

/** Called after a native call with the buffers that it knew by address only, so that they are referenced until then. */
export function keepAlive(...references: readonly Uint8Array[]): void {
  void references;
}
