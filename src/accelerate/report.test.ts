import { describe, expect, it } from 'vitest';
import type { AccelerationCheck } from '../api/types.ts';
import { failureText, judge, parseChecks } from './report.ts';

const safe: AccelerationCheck = { kind: 'safety', name: 'integrity', passed: true, detail: '' };
const splice: AccelerationCheck = { kind: 'application', name: 'splice', passed: false, detail: 'EAGAIN' };

describe('parseChecks()', () => {
  it('reads a line for every check and passes over others', () => {
    const text =
      'ready\t3\t4\nsafety\tslow reader\tok\theld back after 900 KiB\napplication\tsplice\tfailed\tEAGAIN\nsafety\tcut off\nsafety\tx\tmaybe\t';
    expect(parseChecks(text)).toEqual([
      { kind: 'safety', name: 'slow reader', passed: true, detail: 'held back after 900 KiB' },
      { kind: 'application', name: 'splice', passed: false, detail: 'EAGAIN' },
    ]);
  });
});

describe('judge()', () => {
  it('takes acceleration for usable when all checks of safety passed, whatever applications may do', () => {
    expect(judge([safe, splice], null, 5)).toEqual({ usable: true, checks: [safe, splice], applications: 'by annotation', durationMs: 5 });
    expect(judge([safe, { ...splice, passed: true }], null, 5).applications).toBe('all');
  });

  it('does not where one failed, and names it', () => {
    const result = judge([safe, { ...safe, name: 'slow reader', passed: false, detail: '9 MiB wait' }], null, 5);
    expect(result.usable).toBe(false);
    expect(failureText(result)).toBe('slow reader: 9 MiB wait');
  });

  it('does not where the run did not come to its end, or showed nothing', () => {
    const cut = judge([safe, { ...splice, passed: true }], 'it ended with signal SIGKILL', 5);
    expect([cut.usable, cut.applications]).toEqual([false, 'by annotation']);
    expect(failureText(cut)).toBe('the self-test itself: it ended with signal SIGKILL');
    expect(failureText(judge([{ ...splice, passed: true }], null, 5))).toBe('the self-test itself: it reported no check');
  });
});
