import { rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { Program } from '../../kernel/index.ts';
import { isSysError, Link, SysError } from '../../kernel/index.ts';

/** An attachment that outlives its process: under which name, where it hangs, and what. */
export interface WantedLink {
  readonly path: string;
  /** Whether a link that is pinned there hangs where it should. */
  isInPlace(link: Link): boolean;
  /** This build's program. It is closed when it hangs. */
  program(): Promise<Program> | Program;
  attach(program: Program): Link;
}

/**
 * Sees to it that a program hangs and is pinned. One that is there already is replaced in place by `replace` and left by `repair`. Returns
 * whether there was none.
 */
export async function ensureLink(wanted: WantedLink, mode: 'replace' | 'repair'): Promise<boolean> {
  using existing = openIfThere(wanted.path);
  const attached = existing !== null && wanted.isInPlace(existing);
  if (attached && mode === 'repair') return false;
  using program = await wanted.program();
  if (attached) {
    if (existing.info().programId !== program.id) existing.update(program);
    return false;
  }
  // the namespace was replaced or the link was detached by hand: what is pinned is only a shell
  existing?.unpin();
  using link = await attachWhenFree(wanted, program);
  link.pin(wanted.path);
  return true;
}

/** Milliseconds. The kernel takes a link whose last name was removed apart after a grace period of its own; until then it still hangs. */
const pauses = [1, 5, 20, 50, 100, 200, 400];

/** A program hangs at most once on a hook of a kind (tcx, from Linux 6.6): what is on its way out is waited for. @throws SysError EEXIST */
async function attachWhenFree(wanted: WantedLink, program: Program): Promise<Link> {
  for (const pause of pauses) {
    try {
      return wanted.attach(program);
    } catch (error) {
      if (!isSysError(error, 'EEXIST')) throw error;
    }
    await delay(pause);
  }
  return wanted.attach(program);
}

/** Detaches what is pinned at `path` and removes the pin. Nothing happens where there is none. */
export async function removeLink(path: string): Promise<void> {
  using link = openIfThere(path);
  if (link === null) return;
  try {
    link.detach();
  } catch (error) {
    // already gone with its namespace or interface
    if (!(error instanceof SysError)) throw error;
  }
  await rm(path, { force: true });
}

/** The link pinned at `path`, or null when nothing is. */
export function openIfThere(path: string): Link | null {
  try {
    return Link.open(path);
  } catch (error) {
    if (error instanceof SysError && error.errno === 'ENOENT') return null;
    throw error;
  }
}
