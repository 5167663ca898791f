import { mkdir, readdir, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Abi } from '../../abi/gen/index.ts';
import { UserError } from '../../base/errors.ts';
import { Link } from '../../kernel/index.ts';
import { policyAttachments } from './attachments.ts';

/** Names below an instance's pin directory: maps by their C names, links by program (and cookie, for those that a pod has of its own). */
export interface Pins {
  readonly root: string;
  map(name: string): string;
  link(program: string, cookie?: bigint, interfaceIndex?: number): string;
}

const prefix = 'abi-';

/** The ABI version is part of the path, so that maps of another layout can never be opened by mistake. */
export function pinsAt(root: string): Pins {
  const directory = join(root, `${prefix}${Abi.VERSION}`);
  return {
    root,
    map: (name) => join(directory, 'maps', name),
    link: (program, cookie, index) => join(directory, 'links', cookie === undefined ? program : linkName(program, cookie, index)),
  };
}

function linkName(program: string, cookie: bigint, interfaceIndex: number | undefined): string {
  return interfaceIndex === undefined ? `${program}-${cookie}` : `${program}-${cookie}-${interfaceIndex}`;
}

/** Makes the instance's directory. Throws UserError ABI_MISMATCH when the maps of another version are pinned there. */
export async function preparePins(pins: Pins): Promise<void> {
  await mkdir(pins.root, { recursive: true, mode: 0o700 });
  const other = (await readdir(pins.root)).find((name) => name.startsWith(prefix) && name !== `${prefix}${Abi.VERSION}`);
  if (other !== undefined) {
    throw new UserError(
      'ABI_MISMATCH',
      `Cannot take over ${pins.root} because its maps have another layout: current value ${other}, wanted ${prefix}${Abi.VERSION}`,
      otherLayoutCure,
    );
  }
}

/** What can be done about maps of another layout. */
export const otherLayoutCure = {
  cure: 'The programs that are there go on redirecting. Run the version that made them, or remove them: connections of the pods then bypass the proxies until the new agent is up.',
  command: 'millrace agent --remove',
} as const;

/** All pinned links with the programs that they are named for, the pods' own and those of the cgroup. */
export async function pinnedLinks(pins: Pins): Promise<readonly { readonly program: string; readonly path: string }[]> {
  const names = await readdir(pins.link(''));
  return names.map((name) => ({ program: name.split('-', 1)[0] ?? name, path: join(pins.link(''), name) }));
}

/** A link that a pod has of its own. */
export interface PodLink {
  readonly program: string;
  readonly cookie: bigint;
  /** Set where the program hangs on an interface that is not lo. */
  readonly interfaceIndex: number | undefined;
  readonly path: string;
}

/** The links that pods have of their own, as found in the pin directory. */
export async function pinnedPodLinks(pins: Pins): Promise<readonly PodLink[]> {
  return (await linksOfPods(pins)).filter(({ program }) => !isPolicyProgram(program));
}

/** The links on the node's interfaces to pods: named for the pods, but no part of them. */
export async function pinnedPolicyLinks(pins: Pins): Promise<readonly PodLink[]> {
  return (await linksOfPods(pins)).filter(({ program }) => isPolicyProgram(program));
}

function isPolicyProgram(name: string): boolean {
  return policyAttachments.some(({ program }) => program === name);
}

async function linksOfPods(pins: Pins): Promise<readonly PodLink[]> {
  const names = await readdir(pins.link(''));
  return names.flatMap((name) => {
    const match = /^([^-]+)-(\d+)(?:-(\d+))?$/.exec(name);
    const [, program, cookie, index] = match ?? [];
    if (program === undefined || cookie === undefined) return [];
    return [
      { program, cookie: BigInt(cookie), interfaceIndex: index === undefined ? undefined : Number(index), path: join(pins.link(''), name) },
    ];
  });
}

/** Ends every pinned attachment at once, of every version, whoever else holds the links. */
export async function detachPinned(pins: Pins): Promise<void> {
  for (const version of (await readdir(pins.root).catch(() => [])).filter((name) => name.startsWith(prefix))) {
    const directory = join(pins.root, version, 'links');
    for (const name of await readdir(directory).catch(() => [])) {
      using link = Link.open(join(directory, name));
      endLink(link);
    }
  }
}

/** Ends an attachment at once, whoever else holds it. A sockmap's program cannot be taken away so: it ends with its last holder. */
export function endLink(link: Link): void {
  const { kind } = link.info().target;
  if (kind !== 'detached' && kind !== 'sockmap') link.detach();
}

/** Removes every pin of every version: what nothing else holds is detached and freed. */
export async function removePins(pins: Pins): Promise<void> {
  const versions = await readdir(pins.root).catch(() => []);
  for (const version of versions.filter((name) => name.startsWith(prefix))) {
    for (const kind of ['links', 'maps']) {
      const directory = join(pins.root, version, kind);
      // bpffs has no recursive removal of its own; links go first, so that no program is left without its maps
      for (const name of await readdir(directory).catch(() => [])) await rm(join(directory, name), { force: true });
      await rmdir(directory).catch(() => undefined);
    }
    await rmdir(join(pins.root, version)).catch(() => undefined);
  }
  await rmdir(pins.root).catch(() => undefined);
}
