import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Logger } from '../base/log.ts';
import { replaceList } from '../base/replace-file.ts';
import type { PodRequest } from '../pods/types.ts';
import { parsePodRequest } from './pod-request.ts';

/**
 * What the agent was asked to enrol, on disk, so that a new agent knows it before anybody asks again. It is only the wish: whether a pod is
 * redirected is read from the kernel.
 */
export class DesiredPods {
  readonly #path: string;
  readonly #pods = new Map<string, PodRequest>();
  #unsaved: string | null = null;

  private constructor(path: string) {
    this.#path = path;
  }

  /** Reads the file; a missing one is an empty wish. A damaged one is set aside as `.damaged` and reported; the pods in it that are whole count. */
  static async open(path: string, log: Logger): Promise<DesiredPods> {
    const desired = new DesiredPods(path);
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return '[]';
      throw error;
    });
    try {
      const damage = desired.#read(JSON.parse(text));
      if (damage !== null) throw damage;
    } catch (err) {
      await rename(path, `${path}.damaged`);
      log.error({ err, path }, 'the list of desired pods is damaged and was set aside');
      await desired.#save();
    }
    return desired;
  }

  /** Takes over what is a pod; returns what was wrong with the last one that is none. */
  #read(list: unknown): unknown {
    if (!Array.isArray(list)) return new TypeError('no list of pods');
    let damage: unknown = null;
    for (const entry of list) {
      try {
        const pod = parsePodRequest(entry);
        this.#pods.set(pod.name, pod);
      } catch (error) {
        damage = error;
      }
    }
    return damage;
  }

  get(name: string): PodRequest | null {
    return this.#pods.get(name) ?? null;
  }

  list(): readonly PodRequest[] {
    return [...this.#pods.values()];
  }

  /** Why what is wished for is not on disk, so that a new agent would not know it; null: it is. */
  get unsaved(): string | null {
    return this.#unsaved;
  }

  /** Writes what could not be written before. @returns whether there was anything and it is on disk now */
  async saveAgain(): Promise<boolean> {
    if (this.#unsaved === null) return false;
    await this.#save();
    return true;
  }

  /** @throws UserError FILE_UNWRITABLE; the wish counts all the same, and is `unsaved` */
  async set(pod: PodRequest): Promise<void> {
    this.#pods.set(pod.name, pod);
    await this.#save();
  }

  /** @throws UserError FILE_UNWRITABLE, as set() */
  async delete(name: string): Promise<void> {
    if (this.#pods.delete(name)) await this.#save();
  }

  /** Forgets everything, also on disk. */
  async clear(): Promise<void> {
    this.#pods.clear();
    await rm(this.#path, { force: true });
  }

  async #save(): Promise<void> {
    try {
      await replaceList(this.#path, this.#pods.values());
      this.#unsaved = null;
    } catch (error) {
      this.#unsaved = error instanceof Error ? error.message : String(error);
      throw error;
    }
  }
}
