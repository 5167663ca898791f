import type { MapStatus, ProgramStatus } from '../api/types.ts';
import { Pace } from '../base/pace.ts';
import type { ProgramInfo } from '../kernel/index.ts';
import { closeFd, openById, Program } from '../kernel/index.ts';
import { cgroupAttachments } from '../redirect/ebpf/attachments.ts';
import type { DataPlane } from '../redirect/ebpf/data-plane.ts';
import { openIfThere } from '../redirect/ebpf/pinned-link.ts';
import { pinnedPodLinks } from '../redirect/ebpf/pins.ts';

/** The attached programs, read from their links: what hangs there, whoever put it there. One whose pin is gone is `missing`. `nameOf` gives the pod of a cookie. */
export async function programStatus(
  plane: DataPlane,
  nameOf: (cookie: bigint) => string | null = () => null,
): Promise<readonly ProgramStatus[]> {
  const shared = cgroupAttachments.map(({ program }) => ({ program, path: plane.pins.link(program), owner: 'cgroup' }));
  const own = (await pinnedPodLinks(plane.pins)).map(({ program, path, cookie }) => ({
    program,
    path,
    owner: nameOf(cookie) ?? `namespace ${cookie}`,
  }));
  const pace = new Pace();
  const found: ProgramStatus[] = [];
  for (const { program, path, owner } of [...shared, ...own]) {
    found.push(statusOfLink(program, path, owner));
    if (pace.isDue) await pace.rest();
  }
  return found;
}

function statusOfLink(program: string, path: string, owner: string): ProgramStatus {
  using link = openIfThere(path);
  if (link === null) return { name: program, id: 0, tag: '', attached: 'missing', instructions: 0, runs: 0, nanoseconds: 0 };
  const { programId, target, attachType } = link.info();
  const info = programInfo(programId);
  return {
    name: program,
    id: programId,
    tag: info.tag,
    attached: target.kind === 'detached' ? 'detached' : `${attachType ?? 'unknown'} of ${owner}`,
    instructions: info.verifiedInstructions,
    runs: Number(info.runs),
    nanoseconds: Number(info.runTimeNanoseconds),
  };
}

function programInfo(id: number): ProgramInfo {
  const fd = openById('program', id);
  try {
    return Program.borrow(fd, `program ${id}`).info();
  } finally {
    closeFd(fd);
  }
}

/** Sizes and fill of the tables. Entries of a ring are null. */
export async function mapStatus(plane: DataPlane): Promise<readonly MapStatus[]> {
  const pace = new Pace();
  const found: MapStatus[] = [];
  for (const map of Object.values(plane.maps)) {
    const { name, type, maxEntries, keySize, valueSize } = map.info;
    let entries: number | null = null;
    if (type !== 'RINGBUF') {
      entries = 0;
      for (const { count } of map.batches('keys')) {
        entries += count;
        if (pace.isDue) await pace.rest();
      }
    }
    found.push({ name, type, entries, maxEntries, bytes: type === 'RINGBUF' ? maxEntries : maxEntries * (keySize + valueSize) });
  }
  return found;
}
