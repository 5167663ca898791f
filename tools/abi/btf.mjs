// @ts-check

/**
 * A type of BTF (Documentation/bpf/btf.rst in the kernel), as far as shared structs need them.
 * @typedef {{ kind: 'int', name: string, size: number, signed: boolean }
 *   | { kind: 'array', element: number, length: number }
 *   | { kind: 'struct' | 'union', name: string, size: number, members: { name: string, type: number, bitOffset: number, bitfield: boolean }[] }
 *   | { kind: 'enum', name: string, size: number, values: { name: string, value: number | bigint }[] }
 *   | { kind: 'alias', name: string, type: number }
 *   | { kind: 'variable', name: string, type: number }
 *   | { kind: 'other', name: string, number: number }} BtfType
 */

const kinds = {
  int: 1,
  pointer: 2,
  array: 3,
  struct: 4,
  union: 5,
  enum: 6,
  typedef: 8,
  volatile: 9,
  const: 10,
  restrict: 11,
  variable: 14,
  typeTag: 18,
  enum64: 19,
};
/** Bytes after the 12 of every type, for one element and for each of `vlen`. */
const fixedExtra = new Map([
  [kinds.int, 4],
  [kinds.array, 12],
  [kinds.variable, 4],
  [17, 4],
]);
const elementExtra = new Map([
  [kinds.struct, 12],
  [kinds.union, 12],
  [kinds.enum, 8],
  [13, 8],
  [15, 12],
  [kinds.enum64, 12],
]);

/**
 * The bytes of a section of an ELF64 little-endian file.
 * @param {Buffer} elf
 * @param {string} wanted
 * @returns {Buffer}
 */
export function elfSection(elf, wanted) {
  const start = Number(elf.readBigUInt64LE(40));
  const entry = elf.readUInt16LE(58);
  const header = (/** @type {number} */ index) => start + index * entry;
  const bytes = (/** @type {number} */ at) => {
    const offset = Number(elf.readBigUInt64LE(at + 24));
    return elf.subarray(offset, offset + Number(elf.readBigUInt64LE(at + 32)));
  };
  const names = bytes(header(elf.readUInt16LE(62)));
  for (let index = 0; index < elf.readUInt16LE(60); index += 1) {
    if (text(names, elf.readUInt32LE(header(index))) === wanted) return bytes(header(index));
  }
  throw new Error(`Cannot read the types because the object has no section ${wanted}: compile with -g`);
}

/**
 * Reads a .BTF section. Index 0 is void.
 * @param {Buffer} btf
 * @returns {BtfType[]}
 */
export function parseBtf(btf) {
  if (btf.readUInt16LE(0) !== 0xeb9f) throw new Error('Cannot read the types because the section does not start with the magic of BTF');
  const header = btf.readUInt32LE(4);
  const end = header + btf.readUInt32LE(8) + btf.readUInt32LE(12);
  const strings = btf.subarray(header + btf.readUInt32LE(16));
  /** @type {BtfType[]} */
  const types = [{ kind: 'other', name: 'void', number: 0 }];
  for (let at = header + btf.readUInt32LE(8); at < end; ) {
    const info = btf.readUInt32LE(at + 4);
    const kind = (info >>> 24) & 31;
    const count = info & 0xffff;
    types.push(parseType(btf.subarray(at), kind, count, info >>> 31 === 1, strings));
    at += 12 + (fixedExtra.get(kind) ?? 0) + (elementExtra.get(kind) ?? 0) * count;
  }
  return types;
}

/**
 * @param {Buffer} type
 * @param {number} kind
 * @param {number} count
 * @param {boolean} flag
 * @param {Buffer} strings
 * @returns {BtfType}
 */
function parseType(type, kind, count, flag, strings) {
  const name = text(strings, type.readUInt32LE(0));
  const sizeOrType = type.readUInt32LE(8);
  const elements = Array.from({ length: count }, (_, index) => index);
  switch (kind) {
    case kinds.int:
      return { kind: 'int', name, size: sizeOrType, signed: ((type.readUInt32LE(12) >>> 24) & 1) === 1 };
    case kinds.array:
      return { kind: 'array', element: type.readUInt32LE(12), length: type.readUInt32LE(20) };
    case kinds.struct:
    case kinds.union:
      return {
        kind: kind === kinds.struct ? 'struct' : 'union',
        name,
        size: sizeOrType,
        members: elements.map((index) => member(type.subarray(12 + 12 * index), flag, strings)),
      };
    case kinds.enum: {
      const value = (/** @type {number} */ at) => (flag ? type.readInt32LE(at) : type.readUInt32LE(at));
      return {
        kind: 'enum',
        name,
        size: sizeOrType,
        values: elements.map((index) => ({ name: text(strings, type.readUInt32LE(12 + 8 * index)), value: value(16 + 8 * index) })),
      };
    }
    case kinds.enum64: {
      const value = (/** @type {number} */ at) => (flag ? type.readBigInt64LE(at) : type.readBigUInt64LE(at));
      return {
        kind: 'enum',
        name,
        size: sizeOrType,
        values: elements.map((index) => ({ name: text(strings, type.readUInt32LE(12 + 12 * index)), value: value(16 + 12 * index) })),
      };
    }
    case kinds.typedef:
    case kinds.volatile:
    case kinds.const:
    case kinds.restrict:
    case kinds.typeTag:
      return { kind: 'alias', name: kind === kinds.typedef ? name : '', type: sizeOrType };
    case kinds.variable:
      return { kind: 'variable', name, type: sizeOrType };
    default:
      return { kind: 'other', name, number: kind };
  }
}

/**
 * @param {Buffer} at
 * @param {boolean} bitfields whether offsets carry a bit-field size in their top byte
 * @param {Buffer} strings
 */
function member(at, bitfields, strings) {
  const offset = at.readUInt32LE(8);
  return {
    name: text(strings, at.readUInt32LE(0)),
    type: at.readUInt32LE(4),
    bitOffset: bitfields ? offset & 0xffffff : offset,
    bitfield: bitfields && offset >>> 24 !== 0,
  };
}

/**
 * @param {Buffer} strings
 * @param {number} offset
 */
function text(strings, offset) {
  return strings.toString('utf8', offset, strings.indexOf(0, offset));
}
