import { existsSync, mkdirSync } from 'node:fs';
import { Acceleration, Counter } from '../../abi/gen/index.ts';
import { MillraceError, UserError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { Pace } from '../../base/pace.ts';
import type { Link } from '../../kernel/index.ts';
import { BpfObject, cgroupId } from '../../kernel/index.ts';
import type { Attachment } from './attachments.ts';
import { cgroupAttachments, sockmapAttachment } from './attachments.ts';
import type { DataPlaneMaps } from './maps.ts';
import { mapNames, openMaps } from './maps.ts';
import { openIfThere } from './pinned-link.ts';
import type { Pins, PodLink } from './pins.ts';
import { endLink, otherLayoutCure, pinnedLinks, pinnedPodLinks, pinsAt, preparePins } from './pins.ts';
import type { NetnsTarget } from './pod-programs.ts';
import { ensurePodPrograms, removePodPrograms } from './pod-programs.ts';
import { changeSettings, readSettings } from './settings.ts';
import type { TableChange } from './table-writer.ts';
import { PodTableWriter } from './table-writer.ts';
import type { PodTables } from './tables.ts';

export interface DataPlaneOptions {
  /** The compiled object, dist/bpf/millrace.bpf.o. */
  readonly elf: Uint8Array;
  /** The cgroup v2 directory whose processes are the pods'. Never the root. */
  readonly cgroup: string;
  /** A directory on a bpf file system of this instance's own. */
  readonly pins: string;
  readonly log: Logger;
}

/** Whose sockets may join the acceleration: everybody's who takes part, nobody's, or those of the pods that the agent makes to try it. */
export type AccelerationState = 'on' | 'off' | 'self-test';

const accelerationCodes = { on: Acceleration.ON, off: Acceleration.OFF, 'self-test': Acceleration.SELF_TEST } as const;

/** What an enrolment changed: rows, and the programs that had to be attached anew. */
export interface PodChange extends TableChange {
  readonly attached: readonly string[];
}

/**
 * The programs and tables in the kernel, for one node. Everything is pinned: when this process ends, however it ends, redirection goes on;
 * the next one opens what it finds and replaces the programs in place.
 */
export class DataPlane implements AsyncDisposable {
  readonly maps: DataPlaneMaps;
  readonly pins: Pins;
  /** Whether the maps of an earlier process were found and taken over. */
  readonly adopted: boolean;
  readonly #object: BpfObject;
  readonly #cgroup: string;
  readonly #log: Logger;
  readonly #tables: PodTableWriter;
  /** The pods' own links at the last look. */
  #seen: ReadonlyMap<bigint, readonly PodLink[]> = new Map();

  private constructor(options: DataPlaneOptions, object: BpfObject, pins: Pins, adopted: boolean) {
    this.#object = object;
    this.#cgroup = options.cgroup;
    this.#log = options.log;
    this.pins = pins;
    this.adopted = adopted;
    this.maps = openMaps(object);
    this.#tables = new PodTableWriter(this.maps);
  }

  /**
   * Loads the programs, on the pinned maps where there are any, and attaches them. Whatever is refused is refused before the first program is
   * replaced: the old ones go on with their maps.
   * Throws VerifierError, UserError ABI_MISMATCH, SysError. About 40 ms, most of it on another thread.
   */
  static async open(options: DataPlaneOptions): Promise<DataPlane> {
    const pins = pinsAt(options.pins);
    await preparePins(pins);
    const found = mapNames.filter((name) => existsSync(pins.map(name)));
    const reuse = Object.fromEntries(found.map((name) => [name, { reuse: pins.map(name) }]));
    const object = await BpfObject.load(options.elf, { name: 'millrace', maps: reuse }).catch((error: unknown) => {
      throw otherLayout(pins, error);
    });
    try {
      const plane = new DataPlane(options, object, pins, found.length > 0);
      plane.ensureAttached('replace');
      await plane.#detachUnknown();
      await plane.refresh();
      return plane;
    } catch (error) {
      object.close();
      throw error;
    }
  }

  /** Programs that another build attached and this one does not have. They are no part of what is in place now. */
  async #detachUnknown(): Promise<void> {
    for (const { program, path } of await pinnedLinks(this.pins)) {
      if (this.#object.programNames.includes(program)) continue;
      using link = openIfThere(path);
      if (link !== null) endLink(link);
      link?.unpin();
      this.#log.info({ program, path }, 'a program of another build was detached');
    }
  }

  /**
   * Looks at the rows and links of all pods again, so that the repairs that follow put right what others have changed. Some microseconds each.
   */
  async refresh(): Promise<void> {
    await this.#tables.learn(new Pace());
    const links = new Map<bigint, PodLink[]>();
    for (const link of await pinnedPodLinks(this.pins)) links.set(link.cookie, [...(links.get(link.cookie) ?? []), link]);
    this.#seen = links;
  }

  /**
   * Makes sure that every map has its pin and every program hangs on its hook. `replace` puts this build's programs in place of those of an
   * earlier process; `repair` only mends what is gone. Returns the maps that were pinned and the programs that were attached anew.
   */
  ensureAttached(mode: 'replace' | 'repair'): readonly string[] {
    for (const directory of [this.pins.map(''), this.pins.link('')]) mkdirSync(directory, { recursive: true, mode: 0o700 });
    const pinned = mapNames.filter((name) => this.#ensurePin(name));
    const attached = cgroupAttachments.filter((attachment) => this.#ensureLink(attachment, mode)).map(({ program }) => program);
    return [...pinned, ...attached, ...(this.#ensureSockmapLink(mode) ? [sockmapAttachment.program] : [])];
  }

  /** Sockets that join take the program that hangs on their map then; those that joined before keep theirs. */
  #ensureSockmapLink(mode: 'replace' | 'repair'): boolean {
    const { program, map } = sockmapAttachment;
    const path = this.pins.link(program);
    using before = openIfThere(path);
    if (before?.info().target.kind === 'sockmap') {
      const own = this.#object.program(program);
      if (before.info().programId === own.id) return false;
      before.update(own);
      return mode === 'repair';
    }
    before?.unpin();
    using link = this.#object.program(program).attachSockmap(this.maps[map]);
    link.pin(path);
    return true;
  }

  /**
   * Lets sockets join the acceleration from now on, or none any more, or only those of the self-test's pods; those that have joined then go by
   * TCP, and leave when they close. Nothing is taken out: a socket that left with unread bytes would lose them.
   */
  setAcceleration(wanted: AccelerationState): void {
    changeSettings(this.maps, { accelerate: accelerationCodes[wanted] });
  }

  /** The loaded programs and maps, for those that hang on the node's interfaces. Closed with this. */
  get object(): BpfObject {
    return this.#object;
  }

  /** Who may join now. */
  get acceleration(): AccelerationState {
    const { accelerate } = readSettings(this.maps);
    if (accelerate === Acceleration.ON) return 'on';
    return accelerate === Acceleration.SELF_TEST ? 'self-test' : 'off';
  }

  #ensurePin(name: string): boolean {
    if (existsSync(this.pins.map(name))) return false;
    using map = this.#object.map(name);
    map.pin(this.pins.map(name));
    return true;
  }

  #ensureLink({ program, hook }: Attachment, mode: 'replace' | 'repair'): boolean {
    const path = this.pins.link(program);
    using before = openIfThere(path);
    const target = before?.info().target;
    if (before !== null && target?.kind === 'cgroup' && target.cgroupId === cgroupId(this.#cgroup)) {
      const own = this.#object.program(program);
      if (before.info().programId === own.id) return false;
      before.update(own);
      // by whoever updated the link after us
      return mode === 'repair';
    }
    // detached, or on the cgroup that an earlier configuration named: the new one hangs before the old one goes
    using link: Link = this.#object.program(program).attachCgroup(this.#cgroup, hook);
    before?.unpin();
    link.pin(path);
    this.#log.debug({ program, path }, 'program attached');
    return true;
  }

  /**
   * Brings a pod's rows, and the programs that are its own, to what `tables` say. `replace` puts this build's copies of the programs in place,
   * `repair` only those that are gone, by what refresh() saw. Idempotent. When it throws, the pod has the rows that it had before; a new pod has none.
   * Throws MillraceError TABLE_FULL, VerifierError, SysError.
   */
  async enrol(netns: NetnsTarget, tables: PodTables, mode: 'replace' | 'repair' = 'replace'): Promise<PodChange> {
    const isNew = mode === 'replace' && !this.isEnrolled(netns.cookie);
    const rows = this.#tables.write(tables);
    try {
      const pinned = mode === 'repair' ? (this.#seen.get(netns.cookie) ?? []) : await pinnedPodLinks(this.pins);
      return { ...rows, attached: await ensurePodPrograms(this.#object, this.pins, netns, tables, mode, pinned) };
    } catch (error) {
      if (isNew) await this.release(netns.cookie);
      throw error;
    }
  }

  /** Whether the programs know a pod with this cookie. */
  isEnrolled(cookie: bigint): boolean {
    return this.maps.pods.get(cookie) !== null;
  }

  /** Ends a pod's redirection and removes all of its rows. */
  async release(cookie: bigint): Promise<void> {
    await this.#tables.remove(cookie, new Pace());
    await removePodPrograms(this.pins, cookie);
  }

  /** The cookies of all pods that the tables or the pinned links know. */
  async knownCookies(): Promise<ReadonlySet<bigint>> {
    const pinned = await pinnedPodLinks(this.pins);
    return new Set([...this.#tables.cookies(), ...pinned.map(({ cookie }) => cookie)]);
  }

  /** The counters by name, summed over the CPUs. */
  counters(): Record<string, number> {
    const values = new Map(
      [...this.maps.counters.entriesPerCpu()].map(([index, perCpu]) => [index, perCpu.reduce((sum, value) => sum + value, 0n)]),
    );
    const names = Object.entries(Counter).filter(([name]) => name !== 'MAX');
    return Object.fromEntries(names.map(([name, index]) => [name.toLowerCase(), Number(values.get(index) ?? 0n)]));
  }

  /** Gives up our descriptors. The pins keep everything working. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const map of Object.values(this.maps)) map.close();
    this.#object.close();
    await Promise.resolve();
  }
}

/** A map of another layout is the operator's to decide on; everything else stays what it is. */
function otherLayout(pins: Pins, error: unknown): unknown {
  if (!(error instanceof MillraceError) || error.code !== 'ABI_MISMATCH') return error;
  return new UserError('ABI_MISMATCH', `Cannot take over ${pins.root} because a map of it has another layout: ${error.message}`, {
    ...otherLayoutCure,
    cause: error,
    data: error.data,
  });
}
