import { MillraceError } from '../base/errors.ts';
import type { MapCodec } from './codec.ts';
import { bytesCodec } from './codec.ts';
import type { ElfVariable } from './elf-symbols.ts';
import { memoryAt } from './ffi.ts';
import type { Handle } from './libbpf.ts';
import { checkPointer, libbpf } from './libbpf.ts';
import { BpfMap } from './map.ts';
import { MappedMemory } from './mapped-memory.ts';
import type { LoadOptions } from './object-load.ts';
import { loadObject, mapHandles, programHandles } from './object-load.ts';
import { Program } from './program.ts';

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
    this.#programs = programHandles(handle);
    this.#maps = mapHandles(handle);
  }

  /**
   * Loads a compiled object. Parsing runs here (about a millisecond); verifying, relocating and creating maps run on another thread, one
   * load at a time. `signal` is looked at before and after the load, which cannot be interrupted.
   * @throws VerifierError BPF_LOAD; MillraceError ABI_MISMATCH when a reused map has another layout; UserError LIBRARY_MISSING
   */
  static load(elf: Uint8Array, options: LoadOptions, signal?: AbortSignal): Promise<BpfObject> {
    const result = loading.then(async () => {
      const { handle, variables } = await loadObject(elf, options, signal);
      return new BpfObject(options.name, handle, variables);
    });
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
