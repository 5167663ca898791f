import { MillraceError } from '../base/errors.ts';
import { objectGet } from './bpf-objects.ts';
import type { ElfVariable } from './elf-symbols.ts';
import { elfVariables } from './elf-symbols.ts';
import { addressOf, fromCString, keepAlive, memoryAt } from './ffi.ts';
import { bpfObjectOpenOpts, bpfObjectOpenOptsSize } from './layouts.ts';
import type { Handle } from './libbpf.ts';
import { checkLibbpf, checkPointer, keptString, libbpf, onLibbpfMessage } from './libbpf.ts';
import { closeFd } from './libc.ts';
import { mapInfo } from './map-info.ts';
import { VerifierError } from './verifier-error.ts';

/** A map's difference from its definition in C. */
export interface MapOptions {
  readonly maxEntries?: number;
  /** An existing map to use in place of a new one: a descriptor (stays the caller's) or the path of a pin. Its layout must be the same. */
  readonly reuse?: number | string;
}

export interface LoadOptions {
  /** At most 15 characters of it become the prefix of the names of .rodata and .bss maps. */
  readonly name: string;
  /** `const volatile` variables by their C names. Numbers take the variable's size (1, 2, 4, 8 bytes), little endian. */
  readonly rodata?: Readonly<Record<string, number | bigint | boolean | Uint8Array>>;
  readonly maps?: Readonly<Record<string, MapOptions>>;
  /** Programs that are not loaded. */
  readonly skip?: readonly string[];
}

/** Big enough for any log that a human reads to the end; untouched pages cost nothing. */
const logBytes = 16 * 1024 * 1024;

function collect(next: (previous: Handle | null) => Handle | null, nameOfHandle: (handle: Handle) => string): Map<string, Handle> {
  const found = new Map<string, Handle>();
  for (let handle = next(null); handle !== null && handle !== 0n; handle = next(handle)) found.set(nameOfHandle(handle), handle);
  return found;
}

/** The programs of an open object by name, in the order of the file. */
export function programHandles(object: Handle): Map<string, Handle> {
  return collect((previous) => libbpf().objectNextProgram(object, previous), libbpf().programName);
}

/** The maps of an open object by name, those of global variables under their section. */
export function mapHandles(object: Handle): Map<string, Handle> {
  return collect((previous) => libbpf().objectNextMap(object, previous), sectionOrMapName);
}

/** The name in C, or the section for maps of global variables, which libbpf calls `object.rodata`. */
function sectionOrMapName(map: Handle): string {
  const name = libbpf().mapName(map);
  return name.includes('.') ? name.slice(name.indexOf('.')) : name;
}

/**
 * Opens, prepares and loads an object; the caller closes the handle.
 * @throws VerifierError, MillraceError ABI_MISMATCH or BPF_OBJECT_MISSING, UserError LIBRARY_MISSING
 */
export async function loadObject(
  elf: Uint8Array,
  options: LoadOptions,
  signal: AbortSignal | undefined,
): Promise<{ readonly handle: Handle; readonly variables: ReadonlyMap<string, ElfVariable> }> {
  signal?.throwIfAborted();
  const variables = elfVariables(elf);
  const messages: string[] = [];
  const log = Buffer.alloc(logBytes);
  const name = keptString(options.name);
  const openOptions = Buffer.alloc(bpfObjectOpenOptsSize);
  openOptions.writeBigUInt64LE(BigInt(bpfObjectOpenOptsSize), bpfObjectOpenOpts.sz);
  openOptions.writeBigUInt64LE(name.address, bpfObjectOpenOpts.object_name);
  openOptions.writeBigUInt64LE(addressOf(log), bpfObjectOpenOpts.kernel_log_buf);
  openOptions.writeBigUInt64LE(BigInt(log.length), bpfObjectOpenOpts.kernel_log_size);
  onLibbpfMessage((message) => messages.push(message));
  let opened: Handle | null = null;
  try {
    const handle = checkPointer(libbpf().objectOpenMem(elf, elf.length, openOptions), `bpf_object__open(${options.name})`);
    opened = handle;
    prepare(handle, options, variables);
    const result = await loadOnAnotherThread(handle);
    if (result < 0) throw new VerifierError({ program: refusedProgram(messages), errno: -result, log: fromCString(log), messages });
    signal?.throwIfAborted();
    opened = null;
    return { handle, variables };
  } finally {
    onLibbpfMessage(null);
    if (opened !== null) libbpf().objectClose(opened);
    keepAlive(elf, name.bytes, openOptions, log);
  }
}

function loadOnAnotherThread(handle: Handle): Promise<number> {
  return new Promise((resolve, reject) => {
    libbpf().objectLoad.async(handle, (error, result) => (error === null ? resolve(result) : reject(error)));
  });
}

function refusedProgram(messages: readonly string[]): string {
  for (const message of messages) {
    const match = /prog '([^']+)': (BPF program load failed|failed to load)/.exec(message);
    if (match?.[1] !== undefined) return match[1];
  }
  return '';
}

function prepare(handle: Handle, options: LoadOptions, variables: ReadonlyMap<string, ElfVariable>): void {
  const programs = programHandles(handle);
  const maps = mapHandles(handle);
  for (const name of options.skip ?? []) {
    const program = programs.get(name);
    if (program === undefined) throw missing('skip the program', name, options.name);
    checkLibbpf(libbpf().programSetAutoload(program, false), `bpf_program__set_autoload(${name})`);
  }
  for (const [name, value] of Object.entries(options.rodata ?? {})) {
    const variable = variables.get(name);
    const map = variable === undefined ? undefined : maps.get(variable.section);
    if (variable === undefined || map === undefined) throw missing('set the constant', name, options.name);
    writeVariable(map, name, variable, value);
  }
  for (const [name, change] of Object.entries(options.maps ?? {})) {
    const map = maps.get(name);
    if (map === undefined) throw missing('change the map', name, options.name);
    if (change.maxEntries !== undefined)
      checkLibbpf(libbpf().mapSetMaxEntries(map, change.maxEntries), `bpf_map__set_max_entries(${name})`);
    if (change.reuse !== undefined) reuseMap(map, name, change.reuse);
  }
}

function missing(action: string, name: string, object: string): MillraceError {
  return new MillraceError('BPF_OBJECT_MISSING', `Cannot ${action} ${name} because the object ${object} has none of this name`);
}

function writeVariable(map: Handle, name: string, variable: ElfVariable, value: number | bigint | boolean | Uint8Array): void {
  const size = Buffer.alloc(8);
  const address = checkPointer(libbpf().mapInitialValue(map, size), `bpf_map__initial_value(${variable.section})`);
  const memory = Buffer.from(memoryAt(address, Number(size.readBigUInt64LE(0)))).subarray(variable.offset, variable.offset + variable.size);
  if (value instanceof Uint8Array) {
    if (value.length !== variable.size)
      throw new RangeError(`Cannot set ${name} because it has ${variable.size} bytes: ${value.length} given`);
    memory.set(value);
    return;
  }
  if (variable.size === 8) memory.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)));
  else memory.writeUIntLE(Number(value), 0, variable.size);
}

/** libbpf takes over whatever map it is given, layout and all; programs compiled for another one would read garbage. */
function reuseMap(map: Handle, name: string, source: number | string): void {
  const fd = typeof source === 'number' ? source : objectGet(source);
  try {
    const found = mapInfo(fd);
    const wanted = {
      type: libbpf().mapType(map),
      keySize: libbpf().mapKeySize(map),
      valueSize: libbpf().mapValueSize(map),
      maxEntries: libbpf().mapMaxEntries(map),
    };
    if (
      found.typeNumber !== wanted.type ||
      found.keySize !== wanted.keySize ||
      found.valueSize !== wanted.valueSize ||
      found.maxEntries !== wanted.maxEntries
    ) {
      const shape = (type: number, key: number, value: number, entries: number) =>
        `type ${type}, key ${key} B, value ${value} B, ${entries} entries`;
      throw new MillraceError(
        'ABI_MISMATCH',
        `Cannot reuse the map ${name} because its layout differs: found ${shape(found.typeNumber, found.keySize, found.valueSize, found.maxEntries)}, wanted ${shape(wanted.type, wanted.keySize, wanted.valueSize, wanted.maxEntries)}`,
        { data: { map: name, found, wanted } },
      );
    }
    checkLibbpf(libbpf().mapReuseFd(map, fd), `bpf_map__reuse_fd(${name})`);
  } finally {
    if (typeof source === 'string') closeFd(fd);
  }
}
