import { MillraceError } from '../base/errors.ts';
import { objectGet } from './bpf-objects.ts';
import type { MapCodec } from './codec.ts';
import { bytesCodec } from './codec.ts';
import type { ElfVariable } from './elf-symbols.ts';
import { elfVariables } from './elf-symbols.ts';
import { addressOf, fromCString, keepAlive, memoryAt } from './ffi.ts';
import { bpfObjectOpenOpts, bpfObjectOpenOptsSize } from './layouts.ts';
import type { Handle } from './libbpf.ts';
import { checkLibbpf, checkPointer, keptString, libbpf, onLibbpfMessage } from './libbpf.ts';
import { closeFd } from './libc.ts';
import { BpfMap } from './map.ts';
import { MappedMemory } from './mapped-memory.ts';
import { Program } from './program.ts';
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

let loading: Promise<unknown> = Promise.resolve();

/** A loaded BPF object: its programs and maps live until it is closed, unless they are attached or pinned. */
export class BpfObject implements Disposable {
  readonly name: string;
  readonly #variables: ReadonlyMap<string, ElfVariable>;
  readonly #programs: ReadonlyMap<string, Handle>;
  readonly #maps: ReadonlyMap<string, Handle>;
  readonly #opened = new Map<string, Program>();
  readonly #memory = new Map<string, MappedMemory>();
  #handle: Handle | null;

  private constructor(name: string, handle: Handle, variables: ReadonlyMap<string, ElfVariable>) {
    this.name = name;
    this.#handle = handle;
    this.#variables = variables;
    this.#programs = collect((previous) => libbpf().objectNextProgram(handle, previous), libbpf().programName);
    this.#maps = collect((previous) => libbpf().objectNextMap(handle, previous), sectionOrMapName);
  }

  /**
   * Loads a compiled object. Parsing runs here (about a millisecond); verifying, relocating and creating maps run on another thread, one
   * load at a time. `signal` is looked at before and after the load, which cannot be interrupted.
   * @throws VerifierError BPF_LOAD; MillraceError ABI_MISMATCH when a reused map has another layout; UserError LIBRARY_MISSING
   */
  static load(elf: Uint8Array, options: LoadOptions, signal?: AbortSignal): Promise<BpfObject> {
    const result = loading.then(() => loadNow(elf, options, signal, (handle, variables) => new BpfObject(options.name, handle, variables)));
    loading = result.catch(() => undefined);
    return result;
  }

  /** Names of all programs, loaded or skipped, in the order of the file. */
  get programNames(): string[] {
    return [...this.#programs.keys()];
  }

  /** Names of all maps, those of global variables (`.bss`, `.rodata`) included. */
  get mapNames(): string[] {
    return [...this.#maps.keys()];
  }

  /** A loaded program. It belongs to this object and is closed with it. @throws MillraceError BPF_OBJECT_MISSING */
  program(name: string): Program {
    const known = this.#opened.get(name);
    if (known !== undefined) return known;
    const fd = libbpf().programFd(this.#programHandle(name));
    if (fd < 0)
      throw new MillraceError('BPF_OBJECT_MISSING', `Cannot use the program ${name} of ${this.name} because it was skipped at load`);
    const program = Program.borrow(fd, name);
    this.#opened.set(name, program);
    return program;
  }

  /** A map, by its C name, as raw bytes or through a codec. Its descriptor is its own: close it when done. */
  map(name: string): BpfMap<Uint8Array, Uint8Array>;
  map<K, V>(name: string, codec: MapCodec<K, V>): BpfMap<K, V>;
  map<K, V>(name: string, codec?: MapCodec<K, V>): BpfMap<K, V> | BpfMap<Uint8Array, Uint8Array> {
    const handle = this.#mapHandle(name);
    const fd = libbpf().mapFd(handle);
    if (codec !== undefined) return BpfMap.fromFd(fd, codec);
    return BpfMap.fromFd(fd, bytesCodec(libbpf().mapKeySize(handle), libbpf().mapValueSize(handle)));
  }

  /**
   * The live memory of a global variable of .bss or .data, shared with the programs. Gone after close(): do not keep it.
   * @throws MillraceError BPF_OBJECT_MISSING for unknown variables and those of .rodata (frozen: give them in LoadOptions)
   */
  global(name: string): DataView {
    const variable = this.#variables.get(name);
    if (variable === undefined || variable.section.startsWith('.rodata')) {
      throw new MillraceError('BPF_OBJECT_MISSING', `Cannot map the variable ${name} of ${this.name} because it is not in .bss or .data`);
    }
    let memory = this.#memory.get(variable.section);
    if (memory === undefined) {
      const handle = this.#mapHandle(variable.section);
      memory = MappedMemory.shared(libbpf().mapFd(handle), libbpf().mapValueSize(handle));
      this.#memory.set(variable.section, memory);
    }
    return memory.view(variable.offset, variable.size);
  }

  /** A copy of a program's instructions as they were loaded, relocated against this object's maps: valid as long as those are open. */
  instructions(programName: string): Buffer {
    const handle = this.#programHandle(programName);
    const length = libbpf().programInsnCnt(handle) * 8;
    const address = checkPointer(libbpf().programInsns(handle), `bpf_program__insns(${programName})`);
    return Buffer.from(Buffer.from(memoryAt(address, length)));
  }

  /** Closes the programs and maps that nothing else holds. Twice is once. */
  close(): void {
    if (this.#handle === null) return;
    for (const program of this.#opened.values()) program.close();
    for (const memory of this.#memory.values()) memory.close();
    libbpf().objectClose(this.#handle);
    this.#handle = null;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #programHandle(name: string): Handle {
    return this.#find(this.#programs, name, 'program');
  }

  #mapHandle(name: string): Handle {
    return this.#find(this.#maps, name, 'map');
  }

  #find(table: ReadonlyMap<string, Handle>, name: string, what: string): Handle {
    if (this.#handle === null)
      throw new MillraceError('BPF_OBJECT_MISSING', `Cannot use the ${what} ${name} because the object ${this.name} is closed`);
    const handle = table.get(name);
    if (handle === undefined) {
      throw new MillraceError(
        'BPF_OBJECT_MISSING',
        `Cannot find the ${what} ${name} in the object ${this.name}: it has ${[...table.keys()].join(', ')}`,
      );
    }
    return handle;
  }
}

function collect(next: (previous: Handle | null) => Handle | null, nameOfHandle: (handle: Handle) => string): Map<string, Handle> {
  const found = new Map<string, Handle>();
  for (let handle = next(null); handle !== null && handle !== 0n; handle = next(handle)) found.set(nameOfHandle(handle), handle);
  return found;
}

/** The name in C, or the section for maps of global variables, which libbpf calls `object.rodata`. */
function sectionOrMapName(map: Handle): string {
  const name = libbpf().mapName(map);
  return name.includes('.') ? name.slice(name.indexOf('.')) : name;
}

async function loadNow(
  elf: Uint8Array,
  options: LoadOptions,
  signal: AbortSignal | undefined,
  build: (handle: Handle, variables: ReadonlyMap<string, ElfVariable>) => BpfObject,
): Promise<BpfObject> {
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
  let handle: Handle | null = null;
  try {
    handle = checkPointer(libbpf().objectOpenMem(elf, elf.length, openOptions), `bpf_object__open(${options.name})`);
    const object = build(handle, variables);
    prepare(handle, options, variables);
    const result = await loadOnAnotherThread(handle);
    if (result < 0) throw new VerifierError({ program: refusedProgram(messages), errno: -result, log: fromCString(log), messages });
    signal?.throwIfAborted();
    handle = null;
    return object;
  } finally {
    onLibbpfMessage(null);
    if (handle !== null) libbpf().objectClose(handle);
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
  const programs = collect((previous) => libbpf().objectNextProgram(handle, previous), libbpf().programName);
  const maps = collect((previous) => libbpf().objectNextMap(handle, previous), sectionOrMapName);
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
    const found = BpfMap.infoOf(fd);
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
