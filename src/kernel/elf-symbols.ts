import { MillraceError } from '../base/errors.ts';

/** A global variable of a BPF object: where it lies in its section's map. */
export interface ElfVariable {
  readonly section: string;
  /** Bytes from the start of the section. */
  readonly offset: number;
  readonly size: number;
}

interface Section {
  readonly name: number;
  readonly type: number;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
}

const symbolTableType = 2;
const objectSymbol = 1;
const symbolSize = 24;

/**
 * The variables (.data, .rodata, .bss and their named parts) of a compiled BPF object, by name. Layout: elf(5), ELF64 little endian.
 * @throws MillraceError BPF_OBJECT_MISSING when the bytes are no such object
 */
export function elfVariables(elf: Uint8Array): Map<string, ElfVariable> {
  const file = Buffer.from(elf.buffer, elf.byteOffset, elf.byteLength);
  if (file.length < 64 || file.readUInt32BE(0) !== 0x7f454c46 || file[4] !== 2 || file[5] !== 1) {
    throw new MillraceError(
      'BPF_OBJECT_MISSING',
      `Cannot read a BPF object because it is no little-endian ELF64 file: ${file.length} bytes`,
    );
  }
  const sections = readSections(file);
  const names = sections[file.readUInt16LE(62)];
  const symbols = sections.find((section) => section.type === symbolTableType);
  const symbolNames = symbols === undefined ? undefined : sections[symbols.link];
  const variables = new Map<string, ElfVariable>();
  if (names === undefined || symbols === undefined || symbolNames === undefined) return variables;
  for (let at = symbols.offset; at + symbolSize <= symbols.offset + symbols.size; at += symbolSize) {
    const section = sections[file.readUInt16LE(at + 6)];
    if ((file.readUInt8(at + 4) & 15) !== objectSymbol || section === undefined) continue;
    const sectionName = stringAt(file, names.offset + section.name);
    if (!/^\.(data|rodata|bss)(\.|$)/.test(sectionName)) continue;
    variables.set(stringAt(file, symbolNames.offset + file.readUInt32LE(at)), {
      section: sectionName,
      offset: Number(file.readBigUInt64LE(at + 8)),
      size: Number(file.readBigUInt64LE(at + 16)),
    });
  }
  return variables;
}

function readSections(file: Buffer): Section[] {
  const start = Number(file.readBigUInt64LE(40));
  const entrySize = file.readUInt16LE(58);
  return Array.from({ length: file.readUInt16LE(60) }, (_, index) => {
    const at = start + index * entrySize;
    return {
      name: file.readUInt32LE(at),
      type: file.readUInt32LE(at + 4),
      offset: Number(file.readBigUInt64LE(at + 24)),
      size: Number(file.readBigUInt64LE(at + 32)),
      link: file.readUInt32LE(at + 40),
    };
  });
}

function stringAt(file: Buffer, offset: number): string {
  return file.toString('latin1', offset, file.indexOf(0, offset));
}
