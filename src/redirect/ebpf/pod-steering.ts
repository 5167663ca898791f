import { rm } from 'node:fs/promises';
import type { BpfObject } from '../../kernel/index.ts';
import { Link, Program, patchConstant64, SysError } from '../../kernel/index.ts';
import { steeringCookieMark, steeringProgram } from './attachments.ts';
import type { Pins } from './pins.ts';

/**
 * Gives one network namespace its own copy of the sk_lookup program and attaches it, pinned; where a copy is attached already it is replaced
 * in place. Returns true when there was none. About 1 ms.
 */
export async function attachSteering(
  object: BpfObject,
  pins: Pins,
  netns: { readonly fd: number; readonly cookie: bigint },
): Promise<boolean> {
  const instructions = patchConstant64(object.instructions(steeringProgram), steeringCookieMark, netns.cookie);
  using program = await Program.loadRaw({
    type: 'SK_LOOKUP',
    expectedAttachType: 'SK_LOOKUP',
    name: steeringProgram,
    instructions,
    license: 'Dual BSD/GPL',
  });
  const path = pins.link(steeringProgram, netns.cookie);
  const existing = openIfThere(path);
  if (existing !== null) {
    using link = existing;
    try {
      link.update(program);
      return false;
    } catch (error) {
      // the namespace was replaced or the link was detached by hand: what is pinned is only a shell
      if (!(error instanceof SysError)) throw error;
      link.unpin();
    }
  }
  using link = program.attachNetns(netns);
  link.pin(path);
  return true;
}

/** Detaches a pod's copy. Nothing happens when there is none. */
export async function detachSteering(pins: Pins, cookie: bigint): Promise<void> {
  const path = pins.link(steeringProgram, cookie);
  const link = openIfThere(path);
  if (link === null) return;
  try {
    link.detach();
  } catch (error) {
    // already gone with its namespace
    if (!(error instanceof SysError)) throw error;
  } finally {
    link.close();
    await rm(path, { force: true });
  }
}

/** Whether the pod's copy is pinned and attached to that very namespace. */
export function isSteeringAttached(pins: Pins, netns: { readonly cookie: bigint; readonly inode: bigint }): boolean {
  using link = openIfThere(pins.link(steeringProgram, netns.cookie));
  if (link === null) return false;
  const { target } = link.info();
  return target.kind === 'netns' && BigInt(target.inode) === netns.inode;
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
