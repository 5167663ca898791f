import { readFile, rename } from 'node:fs/promises';
import { z } from 'zod';
import type { Logger } from '../base/log.ts';
import { replaceObject } from '../base/replace-file.ts';
import { parseIp } from '../pods/address.ts';
import { damagedPath } from './desired-policies.ts';
import { LearnedNames } from './learned-names.ts';

/** Answers that only prolong what is known wait so long for the disk: much less than anything is kept. */
const prolongedMs = 60_000;

const file = z.strictObject({
  learned: z.array(
    z.strictObject({
      name: z.string().min(1).max(255),
      address: z.string().refine((text) => parseIp(text) !== null, 'no IP address'),
      untilMs: z.number().min(0).max(Number.MAX_SAFE_INTEGER),
    }),
  ),
});

/** Where learned names are kept: `policies.json` → `policies.names.json`. */
export function namesPath(policies: string): string {
  return policies.replace(/(\.json)?$/, '.names.json');
}

/** The names that were learned from DNS, also on disk, so that a new agent goes on to judge by them. */
export class NamesFile {
  readonly names: LearnedNames;
  readonly #path: string;
  readonly #now: () => number;
  #saved: LearnedNames['names'];
  #savedMs: number;

  private constructor(path: string, names: LearnedNames, now: () => number) {
    this.#path = path;
    this.names = names;
    this.#now = now;
    this.#saved = names.names;
    this.#savedMs = now();
  }

  /**
   * Reads the file; a missing one is empty. A damaged one is set aside as `.damaged`, reported, and empty too: nothing passes by it that should not, and
   * the pods ask again. `now` in milliseconds since 1970.
   */
  static async open(path: string, log: Logger, now: () => number): Promise<NamesFile> {
    const names = new LearnedNames(now);
    const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null;
      throw error;
    });
    try {
      if (text !== null) names.restore(file.parse(JSON.parse(text)).learned);
    } catch (err) {
      await rename(path, damagedPath(path));
      log.error({ err, path }, 'the list of learned names is damaged and was set aside');
    }
    return new NamesFile(path, names, now);
  }

  /** Writes what came or went; what was only prolonged once a minute. @throws UserError FILE_UNWRITABLE */
  async save(): Promise<void> {
    const { names } = this.names;
    const now = this.#now();
    if (names === this.#saved && (names.size === 0 || now - this.#savedMs < prolongedMs)) return;
    await replaceObject(this.#path, { learned: [...this.names.list()] });
    this.#saved = names;
    this.#savedMs = now;
  }
}
