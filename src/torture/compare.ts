import type { Transcript } from './types.ts';

/** How many bytes more than on plain TCP may wait for a reader that does not read, on each accelerated connection of the way. */
const queueAllowance = 2 * 1024 * 1024;

/** What a run says against itself. Pure. */
export function complaints(way: string, { lines, failed }: Transcript): readonly string[] {
  return failed ? [`${way}: the run failed`, ...lines.map((line) => `  ${line}`)] : [];
}

/**
 * What differs between a run on plain TCP and an accelerated one with the same seed, line by line; empty where they agree. Pure.
 * @param mostQueued the most bytes that waited for a slow reader on plain TCP so far, this run's included
 * @param hops how many accelerated connections there are between the two applications
 */
export function differences(plain: Transcript, accelerated: Transcript, mostQueued: number, hops: number): readonly string[] {
  const failed = [...complaints('plain TCP', plain), ...complaints('accelerated', accelerated)];
  if (failed.length > 0) return failed;
  const found: string[] = [];
  const length = Math.max(plain.lines.length, accelerated.lines.length);
  for (let index = 0; index < length; index += 1) {
    const [want, got] = [plain.lines[index] ?? 'nothing', accelerated.lines[index] ?? 'nothing'];
    if (want !== got) found.push(`plain TCP: ${want}`, `accelerated: ${got}`);
  }
  const queued = accelerated.measures.queued ?? 0;
  const allowance = hops * queueAllowance;
  if (queued > mostQueued + allowance) {
    found.push(`${queued} bytes waited for a reader that did not read: more than ${allowance} above the ${mostQueued} of plain TCP`);
  }
  return found;
}
