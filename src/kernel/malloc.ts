import { libc } from './libc.ts';

/** <malloc.h> */
const option = { trimThreshold: -1, mmapThreshold: -3, arenaMax: -8 } as const;
const kibibyte = 1024;

/**
 * Makes the C library give freed memory back to the kernel soon, for the whole process: pieces of 128 KiB and more at once, and the end of its heaps when
 * 128 KiB of it are free. Left alone it raises both limits to the largest piece that was ever freed, so one request of megabytes is kept for good; and
 * each thread gets a heap of its own. Best effort: what the C library does not know it leaves as it was. Source: mallopt(3).
 */
export function giveFreedMemoryBack(): void {
  const { mallopt } = libc();
  mallopt(option.trimThreshold, 128 * kibibyte);
  mallopt(option.mmapThreshold, 128 * kibibyte);
  mallopt(option.arenaMax, 2);
}
