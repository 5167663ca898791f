import { addressOf, cString } from './ffi.ts';
import type { BpfAttrField } from './layouts.ts';
import { bpfAttr, bpfAttrSize } from './layouts.ts';

/** A union bpf_attr under construction. It keeps every buffer that it points to alive for as long as it lives itself. */
export class Attr {
  readonly bytes: Buffer = Buffer.alloc(bpfAttrSize);
  readonly #kept: Uint8Array[] = [];

  /** Writes an unsigned 32-bit field. */
  u32(field: BpfAttrField, value: number): this {
    this.bytes.writeUInt32LE(value >>> 0, bpfAttr[field]);
    return this;
  }

  /** Writes an unsigned 64-bit field. */
  u64(field: BpfAttrField, value: bigint): this {
    this.bytes.writeBigUInt64LE(value, bpfAttr[field]);
    return this;
  }

  /** Writes the address of `bytes`; an empty array becomes NULL. */
  pointer(field: BpfAttrField, bytes: Uint8Array): this {
    this.#kept.push(bytes);
    return this.u64(field, bytes.length === 0 ? 0n : addressOf(bytes));
  }

  /** Writes the address of a NUL-terminated copy of `text`. */
  text(field: BpfAttrField, text: string): this {
    return this.pointer(field, cString(text));
  }

  /** Writes an object name in place: at most 15 characters, those the kernel refuses replaced by `_`. */
  objectName(field: 'map_name' | 'prog_name', name: string): this {
    this.bytes.write(kernelName(name), bpfAttr[field], 'latin1');
    return this;
  }

  /** Reads an unsigned 32-bit field that the kernel filled in. */
  readU32(field: BpfAttrField): number {
    return this.bytes.readUInt32LE(bpfAttr[field]);
  }
}

/** The name as the kernel keeps it: letters, digits, `_` and `.`, at most 15 characters. */
export function kernelName(name: string): string {
  return name.replaceAll(/[^\w.]/g, '_').slice(0, 15);
}
