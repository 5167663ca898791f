import { describe, expect, it } from 'vitest';
import { complaints, differences } from './compare.ts';
import type { Transcript } from './types.ts';

const run = (lines: readonly string[], change: Partial<Transcript> = {}): Transcript => ({ lines, failed: false, measures: {}, ...change });

describe('differences()', () => {
  it('finds nothing where every line agrees', () => {
    expect(differences(run(['a', 'b']), run(['a', 'b']), 0, 1)).toEqual([]);
  });

  it('shows both lines where one differs, and lines that only one run has', () => {
    expect(differences(run(['a', 'recv 5']), run(['a', 'recv EAGAIN', 'c']), 0, 1)).toEqual([
      'plain TCP: recv 5',
      'accelerated: recv EAGAIN',
      'plain TCP: nothing',
      'accelerated: c',
    ]);
  });

  it('does not compare what a failed run has not come to', () => {
    expect(differences(run(['a', 'b']), run(['a'], { failed: true }), 0, 1)).toEqual(['accelerated: the run failed', '  a']);
  });

  it('allows as much again for every other accelerated connection of the way', () => {
    const queued: Transcript = run([], { measures: { queued: 6 * 1024 * 1024 } });
    expect(differences(run([]), queued, 0, 3)).toEqual([]);
    expect(differences(run([]), queued, 0, 2)).toHaveLength(1);
  });

  it('allows two mebibytes more than plain TCP to wait for a slow reader, and no byte more', () => {
    const queued = (bytes: number): Transcript => run([], { measures: { queued: bytes } });
    const most = 4_000_000;
    expect(differences(queued(most), queued(most + 2 * 1024 * 1024), most, 1)).toEqual([]);
    expect(differences(queued(most), queued(most + 2 * 1024 * 1024 + 1), most, 1)).toEqual([
      '6097153 bytes waited for a reader that did not read: more than 2097152 above the 4000000 of plain TCP',
    ]);
  });
});

describe('complaints()', () => {
  it('repeats the lines of a run that failed, and nothing of one that did not', () => {
    expect(complaints('plain TCP', run(['x'], { failed: true }))).toEqual(['plain TCP: the run failed', '  x']);
    expect(complaints('plain TCP', run(['x']))).toEqual([]);
  });
});
