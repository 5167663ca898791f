import { describe, expect, it } from 'vitest';
import { parseTranscript } from './native.ts';

describe('parseTranscript()', () => {
  it('tells figures from what was seen', () => {
    expect(parseTranscript('# one, which connects\n-500 bytes\n=queued 4000000\n-done\n', 0)).toEqual({
      lines: ['# one, which connects', '-500 bytes', '-done'],
      failed: false,
      measures: { queued: 4_000_000 },
    });
  });

  it('takes a reason to fail, or an exit code, for a failure', () => {
    expect(parseTranscript('!byte 7 is 01, want 02\n', 0).failed).toBe(true);
    expect(parseTranscript('-done\n', 1).failed).toBe(true);
  });
});
