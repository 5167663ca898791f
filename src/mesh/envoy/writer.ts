import { chmod, chown, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { MillraceError } from '../../base/errors.ts';
import type { ProxyFiles } from './files.ts';

/** Marks a file that is being written. Never a name that Envoy follows. */
const temporarySuffix = '.tmp';

/**
 * What comes first is referred to by what comes later: a listener names routes, filters and secrets, a route names clusters, and Envoy refuses a
 * reference to a file that is not there. Removal goes the other way.
 */
const order = ['sds-', 'ecds/', 'cds.json', 'rds/', 'lds.json'] as const;

/**
 * Keeps one proxy's directory equal to its configuration. Every file arrives by a rename, which Envoy takes as the sign of an update, and only if
 * its content differs. Files are 0600 and directories 0700, owned by the proxy's user: some hold a private key.
 */
export class ProxyFilesWriter {
  readonly #directory: string;
  readonly #owner: { readonly uid: number; readonly gid: number };
  #last: Promise<unknown> = Promise.resolve();

  constructor(directory: string, owner: { readonly uid: number; readonly gid: number }) {
    this.#directory = directory;
    this.#owner = owner;
  }

  /**
   * Makes the directory hold exactly `files`, besides `keep` (the bootstrap, for instance). Returns the paths that changed or went, in the order
   * in which they did. Calls run one after the other. Throws MillraceError FILE_UNWRITABLE; what was written before stays, and the next call
   * goes on from there. An abort takes effect between two files.
   */
  write(files: ProxyFiles, options: { readonly keep?: readonly string[]; readonly signal?: AbortSignal } = {}): Promise<readonly string[]> {
    const run = this.#last.then(() => this.#write(files, options));
    this.#last = run.catch(() => undefined);
    return run;
  }

  async #write(
    files: ProxyFiles,
    options: { readonly keep?: readonly string[]; readonly signal?: AbortSignal },
  ): Promise<readonly string[]> {
    const changed: string[] = [];
    for (const path of inOrder(Object.keys(files))) {
      options.signal?.throwIfAborted();
      if (await this.#replace(path, files[path] ?? '')) changed.push(path);
    }
    const wanted = new Set([...Object.keys(files), ...(options.keep ?? [])]);
    const stale = (await this.#present()).filter((path) => !wanted.has(path));
    for (const path of inOrder(stale).reverse()) {
      options.signal?.throwIfAborted();
      await rm(join(this.#directory, path), { force: true });
      changed.push(path);
    }
    return changed;
  }

  /** Returns whether the file had other content. */
  async #replace(path: string, content: string): Promise<boolean> {
    const target = join(this.#directory, path);
    if ((await readOrNull(target)) === content) return false;
    try {
      await this.#ensureDirectory(this.#directory);
      if (dirname(path) !== '.') await this.#ensureDirectory(dirname(target));
      const temporary = `${target}${temporarySuffix}`;
      // What a killed writer left may have another owner or mode: it goes, and the new file must be ours from its first byte.
      await rm(temporary, { force: true });
      const file = await open(temporary, 'wx', 0o600);
      try {
        await file.chown(this.#owner.uid, this.#owner.gid);
        await file.writeFile(content);
      } finally {
        await file.close();
      }
      await rename(temporary, target);
      return true;
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new MillraceError('FILE_UNWRITABLE', `Cannot write the proxy's file because the system refused: ${target} (${reason})`, {
        cause,
        data: { path: target },
      });
    }
  }

  async #ensureDirectory(path: string): Promise<void> {
    await mkdir(path, { recursive: true, mode: 0o700 });
    await chmod(path, 0o700);
    await chown(path, this.#owner.uid, this.#owner.gid);
  }

  async #present(): Promise<readonly string[]> {
    const entries = await readdir(this.#directory, { recursive: true, withFileTypes: true });
    return entries
      .filter((entry) => !entry.isDirectory())
      .map((entry) => join(entry.parentPath, entry.name).slice(this.#directory.length + 1));
  }
}

/** Paths in the order in which Envoy may see them, and by name within one kind. */
export function inOrder(paths: readonly string[]): string[] {
  return [...paths].sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : a > b ? 1 : 0));
}

function rank(path: string): number {
  const found = order.findIndex((prefix) => path.startsWith(prefix));
  return found === -1 ? order.length : found;
}

async function readOrNull(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    // Not there, or not readable: written anew, and a real fault shows then.
    return null;
  }
}
