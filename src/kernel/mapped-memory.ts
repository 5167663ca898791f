import { lastErrno, memoryAt } from './ffi.ts';
import { libc, pageSize } from './libc.ts';
import { SysError } from './sys-error.ts';

const PROT_READ = 1;
const PROT_WRITE = 2;
const MAP_SHARED = 1;
const failed = 0xffff_ffff_ffff_ffffn;

/** Memory shared with the kernel through mmap(2). Views of it must not be touched after close(): that would be a segmentation fault. */
export class MappedMemory implements Disposable {
  readonly buffer: ArrayBuffer;
  readonly #address: bigint;
  readonly #length: number;
  #open = true;

  private constructor(address: bigint, length: number) {
    this.#address = address;
    this.#length = length;
    this.buffer = memoryAt(address, length);
  }

  /** Maps `length` bytes of `fd` from `offset`, which must be a multiple of the page size. @throws SysError */
  static map(fd: number, length: number, access: 'read' | 'write', offset = 0): MappedMemory {
    const protection = access === 'read' ? PROT_READ : PROT_READ | PROT_WRITE;
    const address = libc().mmap(null, length, protection, MAP_SHARED, fd, offset);
    if (address === null || address === failed || address === -1n) throw new SysError(`mmap(fd ${fd}, ${length} bytes)`, lastErrno());
    return new MappedMemory(address, length);
  }

  /** Maps the value of an mmapable array map for reading and writing; `bytes` is rounded up to pages. */
  static shared(mapFd: number, bytes: number): MappedMemory {
    const page = pageSize();
    return MappedMemory.map(mapFd, Math.ceil(bytes / page) * page, 'write');
  }

  /** A view of a part. @throws Error after close() */
  view(offset: number, length: number): DataView {
    if (!this.#open) throw new Error('Cannot view memory because it is unmapped');
    return new DataView(this.buffer, offset, length);
  }

  /** Unmaps. Twice is once. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    libc().munmap(this.#address, this.#length);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
